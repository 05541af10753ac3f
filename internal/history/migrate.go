package history

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"sort"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"splitsync/sql"
)

// migration is one file of package sql.
type migration struct {
	name       string
	checksum   string
	statements []string
}

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

func migrations() ([]migration, error) {
	names, err := fs.Glob(sql.Files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	sort.Strings(names)
	all := make([]migration, 0, len(names))
	for _, name := range names {
		text, err := sql.Files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		sum := sha256.Sum256(text)
		m := migration{name: name, checksum: hex.EncodeToString(sum[:])}
		for _, st := range strings.Split(string(text), ";\n") {
			if strings.TrimSpace(st) != "" {
				m.statements = append(m.statements, st)
			}
		}
		all = append(all, m)
	}
	return all, nil
}

// Migrate creates the database, applies the migrations that are not recorded yet, in order, and sets the TTL. Several processes may do it
// at once: every statement may run twice. A recorded migration whose text has changed is an error; nothing is applied then.
func (s *Store) Migrate(ctx context.Context) error {
	if !databaseName.MatchString(s.cfg.Database) {
		return fmt.Errorf("CLICKHOUSE_DATABASE: %.64q is not a name (letters, digits, _; at most 64)", s.cfg.Database)
	}
	if err := s.conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS `"+s.cfg.Database+"`"); err != nil {
		return fmt.Errorf("create database %s: %w", s.cfg.Database, err)
	}
	err := s.conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+s.table("migrations")+
		" (name String, checksum String, applied_at DateTime DEFAULT now()) ENGINE = ReplacingMergeTree ORDER BY name")
	if err != nil {
		return fmt.Errorf("create table migrations: %w", err)
	}
	missing, err := s.missing(ctx)
	if err != nil {
		return err
	}
	for _, m := range missing {
		if err := s.apply(ctx, m); err != nil {
			return err
		}
	}
	return s.setTTL(ctx)
}

// CheckSchema tells whether every migration of this build has been applied.
func (s *Store) CheckSchema(ctx context.Context) error {
	missing, err := s.missing(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("clickhouse lacks migration %s: run splitsync migrate", missing[0].name)
	}
	return nil
}

// missing returns the migrations that are not recorded.
func (s *Store) missing(ctx context.Context) ([]migration, error) {
	all, err := migrations()
	if err != nil {
		return nil, err
	}
	rows, err := s.conn.Query(ctx, "SELECT name, checksum FROM "+s.table("migrations")+" FINAL")
	var ex *clickhouse.Exception
	if errors.As(err, &ex) && (ex.Code == codeUnknownTable || ex.Code == codeUnknownDatabase) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	defer rows.Close()
	applied := map[string]string{}
	for rows.Next() {
		var name, checksum string
		if err := rows.Scan(&name, &checksum); err != nil {
			return nil, fmt.Errorf("read applied migrations: %w", err)
		}
		applied[name] = checksum
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	var missing []migration
	for _, m := range all {
		switch checksum, ok := applied[m.name]; {
		case !ok:
			missing = append(missing, m)
		case checksum != m.checksum:
			return nil, fmt.Errorf("migration %s was applied with another text (checksum %.12s, this build has %.12s)", m.name, checksum, m.checksum)
		}
	}
	return missing, nil
}

func (s *Store) apply(ctx context.Context, m migration) error {
	conn, err := s.cfg.connect(s.cfg.Database) // the files name tables without a database
	if err != nil {
		return err
	}
	defer conn.Close()
	for i, st := range m.statements {
		if err := conn.Exec(ctx, st); err != nil {
			return fmt.Errorf("migration %s, statement %d: %w", m.name, i+1, err)
		}
	}
	if err := s.conn.Exec(ctx, "INSERT INTO "+s.table("migrations")+" (name, checksum) VALUES (?, ?)", m.name, m.checksum); err != nil {
		return fmt.Errorf("record migration %s: %w", m.name, err)
	}
	s.log.Info("migration applied", "name", m.name)
	return nil
}

// OpenChecked is Open and CheckSchema: what a role starts with.
func OpenChecked(ctx context.Context, cfg Config, log *slog.Logger) (*Store, error) {
	s, err := Open(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if err := s.CheckSchema(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("check clickhouse: %w", err), s.Close())
	}
	return s, nil
}
