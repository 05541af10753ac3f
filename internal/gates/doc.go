// Package gates holds tests over the source tree: which package imports which, who owns an outside library, documented names, sizes of files and
// functions, and a few things that the house style forbids. They read the files themselves, so that the test cache sees every change.
package gates
