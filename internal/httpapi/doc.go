// Package httpapi is what all HTTP routes of splitsync share: JSON answers, problem+json errors, request ids, panic recovery, API keys, origins,
// request bodies and query parameters. It knows no route.
package httpapi
