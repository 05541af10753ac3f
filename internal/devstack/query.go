package devstack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxAnswer bounds the answer that Query reads.
const maxAnswer = 1 << 20

// Query runs one SQL statement over a server's HTTP interface and returns its answer (at most 1 MiB of it). An error
// carries the server's text. It is for starting, testing and asking by hand; the product goes through internal/history.
func Query(ctx context.Context, httpAddr, sql string) (string, error) {
	u := url.URL{Scheme: "http", Host: httpAddr, Path: "/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	req.Close = true // no idle connection stays behind
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("clickhouse answered %d: %s", resp.StatusCode, strings.TrimSpace(string(text)))
	}
	return string(text), nil
}
