// Package sql holds the only DDL of splitsync: the files NNN_name.sql, applied in order by `splitsync migrate`. A file that was applied once
// is never changed; a change is a new file.
package sql

import "embed"

// Files are the migrations. Statements end with a semicolon at the end of a line.
//
//go:embed *.sql
var Files embed.FS
