// Package apachekafka starts real Apache Kafka brokers (KRaft mode, Java 17) for tests, from jars that Maven fetches once.
// Nothing of it is in the product.
package apachekafka

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"splitsync/internal/devstack"
)

// files are the pinned versions (pom.xml), the lock file of what they amount to (jars.sha256), and the brokers' log config.
//
//go:embed pom.xml jars.sha256 log4j2.xml
var files embed.FS

// folder is where the jars are, inside the cache folder.
const folder = "kafka-4.3.1"

// Fetch makes sure that Kafka's jars are in cacheDir (empty = devstack.DefaultCacheDir) and returns their folder. Present
// jars are checked against the lock file and need no network; absent or wrong ones are fetched anew by Maven, with that
// user's Maven settings. Two fetches at once are safe. progress gets lines for people.
func Fetch(ctx context.Context, cacheDir string, progress func(line string)) (string, error) {
	dir, err := fetch(ctx, cacheDir, progress)
	if err != nil {
		return "", fmt.Errorf("fetch apache kafka: %w", err)
	}
	return dir, nil
}

func fetch(ctx context.Context, cacheDir string, progress func(line string)) (string, error) {
	if cacheDir == "" {
		dir, err := devstack.DefaultCacheDir()
		if err != nil {
			return "", err
		}
		cacheDir = dir
	}
	if err := os.MkdirAll(cacheDir, 0o700); err != nil {
		return "", err
	}
	lock, err := devstack.WaitLock(ctx, filepath.Join(cacheDir, folder+".lock"), 0)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	home := filepath.Join(cacheDir, folder)
	if verify(home) == nil {
		return home, nil
	}
	progress("fetching Apache Kafka (4.3.1, 44 MB, once) into " + home)
	if err := install(ctx, home); err != nil {
		return "", err
	}
	return home, nil
}

// install lets Maven copy the jars next to home, checks them, and renames them into place. The caller holds the lock.
func install(ctx context.Context, home string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("no mvn on PATH: the tests on Apache Kafka need Maven 3 and Java 17")
	}
	tmp := home + ".tmp"
	if err := os.RemoveAll(tmp); err != nil { // what a killed fetch left behind
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.CopyFS(tmp, files); err != nil {
		return err
	}
	jars := filepath.Join(tmp, "jars")
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+jars, "-DincludeScope=runtime")
	cmd.Dir = tmp
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("mvn: %w: %s", err, firstError(out.String()))
	}
	if err := verify(jars); err != nil {
		return err
	}
	if err := os.RemoveAll(home); err != nil {
		return err
	}
	return os.Rename(jars, home)
}

// firstError is the line of Maven's output that says what is wrong.
func firstError(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "ERROR") {
			return strings.TrimSpace(line)
		}
	}
	return "no error line in its output"
}

// verify says whether a folder holds exactly the jars of the lock file.
func verify(dir string) error {
	want, err := files.ReadFile("jars.sha256")
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var got []string
	for _, entry := range entries {
		sum, err := fileSum(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		got = append(got, sum+"  "+entry.Name())
	}
	lines := strings.Split(strings.TrimSpace(string(want)), "\n")
	for _, line := range got {
		if !slices.Contains(lines, line) {
			return fmt.Errorf("%s is not in the lock file jars.sha256", line)
		}
	}
	if len(got) != len(lines) {
		return fmt.Errorf("%d jars, the lock file jars.sha256 has %d", len(got), len(lines))
	}
	return nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
