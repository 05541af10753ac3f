package service

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Group runs functions side by side and waits for all of them.
type Group struct {
	eg     *errgroup.Group
	ctx    context.Context
	parent context.Context
}

// NewGroup returns a Group and the context of its functions, which ends when parent ends or when one of them fails.
func NewGroup(parent context.Context) (*Group, context.Context) {
	eg, ctx := errgroup.WithContext(parent)
	return &Group{eg: eg, ctx: ctx, parent: parent}, ctx
}

// Go starts f. An error of f ends the group's context and is what Wait returns, with name in front, unless it only says that this context had
// ended. A nil return stops nothing else.
func (g *Group) Go(name string, f func(ctx context.Context) error) {
	g.eg.Go(func() error {
		err := f(g.ctx)
		if err == nil || (g.ctx.Err() != nil && errors.Is(err, context.Canceled)) {
			return nil
		}
		return fmt.Errorf("%s: %w", name, err)
	})
}

// Wait returns when every function has, with the error of the first that failed. The end of the parent context is not an error.
func (g *Group) Wait() error {
	return g.eg.Wait()
}

// Run is a Group of the given functions: it starts them all, and returns when every one has.
func Run(ctx context.Context, fs map[string]func(ctx context.Context) error) error {
	g, _ := NewGroup(ctx)
	for name, f := range fs {
		g.Go(name, f)
	}
	return g.Wait()
}
