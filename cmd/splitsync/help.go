package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"splitsync/event"
	"splitsync/internal/config"
	"splitsync/internal/metrics"
)

// helpCommand is cobra's help and the pages that are made from the code.
func helpCommand(a *app) *cobra.Command {
	help := &cobra.Command{
		Use:   "help [command]",
		Short: "Help about a command, or about config, events or metrics",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, _, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			return found.Help()
		},
	}
	help.AddCommand(
		pageCommand(a, "config", "Every setting with its default", func() (string, error) { return config.Docs(configSections()...) }),
		pageCommand(a, "events", "Every kind of records in the log", func() (string, error) { return event.Document(), nil }),
		pageCommand(a, "metrics", "Every metric", func() (string, error) { return metrics.Docs(metricSections()...) }),
	)
	return help
}

func pageCommand(a *app, name, short string, page func() (string, error)) *cobra.Command {
	var markdown bool
	c := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := page()
			if err != nil {
				return err
			}
			if !markdown {
				text = plain(text)
			}
			_, err = io.WriteString(a.stdout, text)
			return err
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "as docs/"+strings.ToUpper(name)+".md has it")
	return c
}

// plain makes a table row of markdown into lines for a terminal.
func plain(markdown string) string {
	var b strings.Builder
	for line := range strings.Lines(markdown) {
		switch {
		case strings.HasPrefix(line, "|---"), strings.HasPrefix(line, "| variable"), strings.HasPrefix(line, "| metric"):
			continue
		case strings.HasPrefix(line, "| "):
			cells := strings.Split(strings.Trim(strings.ReplaceAll(strings.TrimSpace(line), "\\|", "\x00"), "| "), " | ")
			for i, c := range cells {
				cells[i] = strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(c), "\x00", "|"), "`", "")
			}
			last := len(cells) - 1
			fmt.Fprintf(&b, "  %s\n      %s\n", strings.Join(cells[:last], "  "), cells[last])
		default:
			b.WriteString(strings.ReplaceAll(line, "`", ""))
		}
	}
	return b.String()
}
