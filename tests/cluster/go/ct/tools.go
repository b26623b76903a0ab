//go:build tools

// Package tools names the commands that are built from this module.
package tools

import (
	_ "github.com/helm/chart-testing/v3/ct"
)
