// Package service has what every role needs to live as a process: a logger, a group of goroutines that is awaited, an HTTP server that drains,
// retries with backoff, and a throttle for repeated log lines.
package service
