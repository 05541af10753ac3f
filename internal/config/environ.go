package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// Environ is the environment of the process over the file dotenv (usually ".env"): a variable that both have keeps the process's value. A
// missing file is fine; one that cannot be read or parsed is an error.
func Environ(dotenv string) ([]string, error) {
	file, err := godotenv.Read(dotenv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read settings from %s: %w", dotenv, err)
	}
	env := toMap(os.Environ())
	for k, v := range file {
		if env[k] == "" {
			env[k] = v
		}
	}
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out, nil
}

// Get is the value of a variable in environ, or empty.
func Get(environ []string, key string) string {
	return toMap(environ)[key]
}

// IsSet reports whether the user gave the variable a value, itself or as a file of the secret.
func IsSet(environ []string, key string) bool {
	env := toMap(environ)
	return strings.TrimSpace(env[key]) != "" || strings.TrimSpace(env[key+"_FILE"]) != ""
}

// Notices tells, one line each, which variables of the old server were found and what is done about them.
func Notices(environ []string) []string {
	env := toMap(environ)
	var out []string
	if env["DATABASE_URL"] != "" {
		out = append(out, "DATABASE_URL is not used: the history is in ClickHouse (CLICKHOUSE_ADDR), in up below DATA_DIR")
	}
	if env["RUST_LOG"] != "" {
		switch {
		case env["LOG_LEVEL"] != "":
			out = append(out, "RUST_LOG is not used: LOG_LEVEL is set")
		case rustLevel(env["RUST_LOG"]) == "":
			out = append(out, "RUST_LOG is not used: it has no level for the whole program; set LOG_LEVEL")
		default:
			out = append(out, "RUST_LOG is used as LOG_LEVEL; set LOG_LEVEL instead")
		}
	}
	return out
}

// rustLevel is the level that a RUST_LOG such as "info,tower_http=debug" sets for the whole program, or empty.
func rustLevel(s string) string {
	for directive := range strings.SplitSeq(s, ",") {
		switch d := strings.ToLower(strings.TrimSpace(directive)); d {
		case "debug", "info", "warn", "error":
			return d
		case "trace":
			return "debug"
		case "off":
			return "error"
		}
	}
	return ""
}

func toMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			m[k] = v
		}
	}
	return m
}

// source is where a Load finds values: the environment, files of secrets, defaults.
type source struct {
	env      map[string]string
	defaults map[string]string
}

// lookup is the text of a field, empty when nothing sets it.
func (s source) lookup(f field) (string, error) {
	v := strings.TrimSpace(s.env[f.key])
	if f.secret {
		fromFile, err := s.file(f, v)
		if err != nil || fromFile != "" {
			return fromFile, err
		}
	}
	if v == "" && f.key == "LOG_LEVEL" {
		v = rustLevel(s.env["RUST_LOG"])
	}
	if v == "" {
		v = s.defaults[f.key]
	}
	if v == "" {
		v = f.def
	}
	return v, nil
}

// file reads the secret that VARIABLE_FILE names; of a list every line is an item.
func (s source) file(f field, direct string) (string, error) {
	key := f.key + "_FILE"
	path := strings.TrimSpace(s.env[key])
	if path == "" {
		return "", nil
	}
	if direct != "" {
		return "", fmt.Errorf("set here and in %s: set one of them", key)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", fmt.Errorf("%s: the file %s is empty", key, path)
	}
	if k := f.tag.Type.Kind(); k == reflect.Slice || k == reflect.Map {
		text = strings.ReplaceAll(text, "\n", f.separator())
	}
	return text, nil
}
