package devstack

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// npmFiles pin the ClickHouse library: its version, and the sha512 that npm checks the package against.
//
//go:embed npm/package.json npm/package-lock.json
var npmFiles embed.FS

const (
	npmPackage    = "@chdb/lib-linux-x64-gnu"
	libraryFile   = "libchdb.so"
	fetchDiskNeed = 3 << 30 // the package, npm's copy of it, and the library unpacked (566 MB)
)

// DefaultCacheDir is where the library is kept when no folder is set: ~/.cache/splitsync on Linux.
func DefaultCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the fetched files, set EMBEDDED_CACHE_DIR: %w", err)
	}
	return filepath.Join(dir, "splitsync"), nil
}

// Library is the path of the fetched ClickHouse library, or an error that says how to get it. Empty = DefaultCacheDir.
func Library(cacheDir string) (string, error) {
	if !libraryRuns {
		return "", errNoLibrary
	}
	home, err := libraryHome(cacheDir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(home, libraryFile)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no clickhouse on PATH and none fetched (%s): run `splitsync fetch`", path)
	}
	return path, nil
}

// Fetch makes sure that the pinned ClickHouse library is in cacheDir (empty = DefaultCacheDir) and returns its path. With
// the library present it does nothing and needs no network. It downloads through npm, with that user's npm settings, and
// npm checks the package against the sha512 of the lockfile. Two fetches at once are safe: one waits for the other; a
// fetch that is killed leaves nothing that a later one would take for the library. progress gets lines for people.
func Fetch(ctx context.Context, cacheDir string, progress func(line string)) (string, error) {
	if path, err := Library(cacheDir); err == nil || errors.Is(err, errNoLibrary) {
		return path, err
	}
	home, err := libraryHome(cacheDir)
	if err != nil {
		return "", err
	}
	cache := filepath.Dir(home)
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", fmt.Errorf("fetch clickhouse: %w", err)
	}
	lock, err := WaitLock(ctx, filepath.Join(cache, "fetch.lock"), 0)
	if err != nil {
		return "", fmt.Errorf("fetch clickhouse: %w", err)
	}
	defer lock.Close()
	if path, err := Library(cacheDir); err == nil { // another fetch was quicker
		return path, nil
	}
	progress("fetching ClickHouse (" + filepath.Base(home) + ", 130 MB, once) into " + cache)
	if err := install(ctx, cache, home); err != nil {
		return "", fmt.Errorf("fetch clickhouse: %w", err)
	}
	progress("fetched " + filepath.Join(home, libraryFile))
	return Library(cacheDir)
}

// install lets npm unpack the package next to home and renames it into place. The caller holds the fetch lock.
func install(ctx context.Context, cache, home string) error {
	free, err := freeBytes(cache)
	if err != nil {
		return err
	}
	if err := checkRoom(cache, free); err != nil {
		return err
	}
	tmp := filepath.Join(cache, "fetch.tmp") // what a killed fetch left behind goes first
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.CopyFS(tmp, npmFiles); err != nil {
		return err
	}
	project := filepath.Join(tmp, "npm")
	if err := npmInstall(ctx, project); err != nil {
		return err
	}
	unpacked := filepath.Join(project, "node_modules", filepath.FromSlash(npmPackage))
	if _, err := os.Stat(filepath.Join(unpacked, libraryFile)); err != nil {
		return fmt.Errorf("the package has no %s: %w", libraryFile, err)
	}
	if err := os.RemoveAll(home); err != nil {
		return err
	}
	return os.Rename(unpacked, home)
}

// checkRoom refuses to begin on a disk that the fetch would fill.
func checkRoom(cache string, free uint64) error {
	if free >= fetchDiskNeed {
		return nil
	}
	return fmt.Errorf("%s has %d MB free and %d MB are needed: free some, or set EMBEDDED_CACHE_DIR", cache, free>>20, fetchDiskNeed>>20)
}

// npmInstall runs `npm ci` in a folder.
func npmInstall(ctx context.Context, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("no npm on PATH: install Node.js with npm, or set CLICKHOUSE_BIN to a clickhouse binary, or CLICKHOUSE_ADDR to a server")
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress")
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return npmError(err, out.String())
	}
	return nil
}

// npmError tells what npm said in one line.
func npmError(err error, out string) error {
	switch {
	case strings.Contains(out, "EBADPLATFORM"):
		return errNoLibrary
	case strings.Contains(out, "EINTEGRITY"):
		return fmt.Errorf("the package from the registry is not the pinned one (sha512 differs): %w", err)
	case strings.Contains(out, "ENOSPC"):
		return fmt.Errorf("the disk is full: free 3 GB, or set EMBEDDED_CACHE_DIR: %w", err)
	}
	last := &tailWriter{}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "npm error") && !strings.Contains(line, "complete log") {
			_, _ = last.Write([]byte(line))
		}
	}
	return fmt.Errorf("npm ci: %w: %s", err, last.lastLines(3))
}

// libraryHome is the folder of the pinned version.
func libraryHome(cacheDir string) (string, error) {
	if cacheDir == "" {
		dir, err := DefaultCacheDir()
		if err != nil {
			return "", err
		}
		cacheDir = dir
	}
	cacheDir, err := filepath.Abs(cacheDir)
	if err != nil {
		return "", err
	}
	body, err := npmFiles.ReadFile("npm/package.json")
	if err != nil {
		return "", err
	}
	var manifest struct{ Dependencies map[string]string }
	if err := json.Unmarshal(body, &manifest); err != nil {
		return "", fmt.Errorf("read npm/package.json: %w", err)
	}
	return filepath.Join(cacheDir, "chdb-"+manifest.Dependencies[npmPackage]+"-"+runtime.GOOS+"-"+runtime.GOARCH), nil
}

// Prepare makes sure that StartClickHouse finds something to start: the binary of cfg, or one on PATH, or the library,
// which it fetches if it is absent.
func Prepare(ctx context.Context, cfg ClickHouseConfig, progress func(line string)) error {
	if cfg.Binary != "" {
		return nil // StartClickHouse tells when it is not there
	}
	if _, err := exec.LookPath("clickhouse"); err == nil {
		return nil
	}
	_, err := Fetch(ctx, cfg.CacheDir, progress)
	return err
}
