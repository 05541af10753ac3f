package devstack

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

const (
	maxAnswer = 1 << 20 // bound of the answer that Query returns
	maxFault  = 8 << 10 // bound of the server's text in an error
)

// RunningClickHouse is the HTTP address of the server that another process runs on a ClickHouseConfig.DataDir, for tools
// that ask it. It is an error when none runs there.
func RunningClickHouse(dataDir string) (httpAddr string, err error) {
	body, err := os.ReadFile(filepath.Join(dataDir, "config.xml"))
	if err != nil {
		return "", fmt.Errorf("no embedded clickhouse was ever started in %s: %w", dataDir, err)
	}
	lock, err := tryLock(filepath.Join(dataDir, "lock"))
	if err == nil {
		lock.Close()
		return "", fmt.Errorf("no embedded clickhouse runs in %s: start `splitsync up`", dataDir)
	}
	if !errors.Is(err, errLocked) {
		return "", err
	}
	var config serverConfig
	if err := xml.Unmarshal(body, &config); err != nil {
		return "", fmt.Errorf("read %s/config.xml: %w", dataDir, err)
	}
	return loopback(config.HTTPPort), nil
}

// Query runs one SQL statement over a server's HTTP interface and returns its answer (at most 1 MiB of it). An error
// carries the server's text. It is for starting, testing and asking by hand; the product goes through internal/history.
func Query(ctx context.Context, httpAddr, sql string) (string, error) {
	var out bytes.Buffer
	err := ask(ctx, httpAddr, "", sql, func(body io.Reader) error {
		_, err := out.ReadFrom(io.LimitReader(body, maxAnswer))
		return err
	})
	return out.String(), err
}

// QueryTo is Query in a database (empty = the server's default) with an answer of any length, written to w as it comes.
func QueryTo(ctx context.Context, httpAddr, database, sql string, w io.Writer) error {
	return ask(ctx, httpAddr, database, sql, func(body io.Reader) error {
		_, err := io.Copy(w, body)
		return err
	})
}

func ask(ctx context.Context, httpAddr, database, sql string, read func(io.Reader) error) error {
	u := url.URL{Scheme: "http", Host: httpAddr, Path: "/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(sql))
	if err != nil {
		return err
	}
	if database != "" {
		req.Header.Set("X-ClickHouse-Database", database)
	}
	req.Close = true // no idle connection stays behind
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return read(resp.Body)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxFault))
	if err != nil {
		return err
	}
	return fmt.Errorf("clickhouse answered %d: %s", resp.StatusCode, strings.TrimSpace(string(text)))
}
