// Command linearizable says whether the history of a register is linearizable.
//
//	linearizable [-limit 60s] HISTORY
//
// HISTORY has a JSON object a line: client, kind (write or read), value, begin and end (seconds since the epoch) and outcome (ok, no or
// maybe). The register holds 0 at first, and no value is written twice. The first line of the answer is "linearizable", "not linearizable"
// or "unknown" (the limit has passed), the exit code 0, 1 or 2; 3 for a history that can't be read. A violation is followed by the fewest
// operations that show it.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	linearizable = iota
	violated
	unknown
	unreadable
)

var answers = map[porcupine.CheckResult]int{porcupine.Ok: linearizable, porcupine.Illegal: violated, porcupine.Unknown: unknown}

var words = []string{"linearizable", "not linearizable", "unknown"}

type operation struct {
	Client  string  `json:"client"`
	Kind    string  `json:"kind"`
	Value   *int64  `json:"value"`
	Begin   float64 `json:"begin"`
	End     float64 `json:"end"`
	Outcome string  `json:"outcome"`
}

func (o operation) write() bool { return o.Kind == "write" }

func (o operation) String() string {
	return fmt.Sprintf("%.6f-%.6f %s: %s %d %s", o.Begin, o.End, o.Client, o.Kind, *o.Value, o.Outcome)
}

func (o operation) check(written map[int64]bool) error {
	answered := o.Outcome == "ok"
	switch {
	case o.Kind != "write" && o.Kind != "read":
		return fmt.Errorf("kind %q", o.Kind)
	case !answered && o.Outcome != "no" && o.Outcome != "maybe":
		return fmt.Errorf("outcome %q", o.Outcome)
	case o.Value == nil && (o.write() || answered):
		return errors.New("no value")
	case o.write() && (*o.Value == 0 || written[*o.Value]):
		return fmt.Errorf("%d is written twice", *o.Value)
	case o.End < o.Begin:
		return errors.New("the end is before the begin")
	}
	return nil
}

func load(from io.Reader) ([]operation, error) {
	var history []operation
	written := map[int64]bool{}
	lines := bufio.NewScanner(from)
	for number := 1; lines.Scan(); number++ {
		var found operation
		err := json.Unmarshal(lines.Bytes(), &found)
		if err == nil {
			err = found.check(written)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if found.write() {
			written[*found.Value] = true
		}
		history = append(history, found)
	}
	return history, lines.Err()
}

// relevant leaves out what says nothing: failed operations, reads without an answer, and writes without one whose value nobody has read.
// Such a write may never happen, so that the others are linearizable with it if and only if they are without it.
func relevant(history []operation) []operation {
	read := map[int64]bool{}
	for _, each := range history {
		if !each.write() && each.Outcome == "ok" {
			read[*each.Value] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(history), func(each operation) bool {
		return each.Outcome == "no" || each.Outcome == "maybe" && (!each.write() || !read[*each.Value])
	})
}

var register = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		asked := input.(operation)
		return asked.write() || *asked.Value == state.(int64), valueAfter(state.(int64), asked)
	},
}

func valueAfter(state int64, asked operation) int64 {
	if asked.write() {
		return *asked.Value
	}
	return state
}

func microseconds(seconds float64) int64 { return int64(math.Round(seconds * 1e6)) }

func check(history []operation, until time.Time) porcupine.CheckResult {
	left := time.Until(until)
	if left <= 0 {
		return porcupine.Unknown
	}
	operations := make([]porcupine.Operation, 0, len(history))
	for _, each := range history {
		end := microseconds(each.End)
		if each.Outcome == "maybe" {
			end = math.MaxInt64
		}
		operations = append(operations, porcupine.Operation{Input: each, Call: microseconds(each.Begin), Return: end})
	}
	return porcupine.CheckOperationsTimeout(register, operations, left)
}

// parts are what can be left out of a history without making it worse: a write with all reads of its value, or a read of a value that
// isn't written in it.
func parts(history []operation) [][]operation {
	var found [][]operation
	writes := map[int64]int{}
	for _, each := range history {
		if each.write() {
			writes[*each.Value] = len(found)
			found = append(found, []operation{each})
		}
	}
	for _, each := range history {
		if each.write() {
			continue
		}
		if place, known := writes[*each.Value]; known {
			found[place] = append(found[place], each)
		} else {
			found = append(found, []operation{each})
		}
	}
	return found
}

func singles(history []operation) [][]operation {
	var found [][]operation
	for _, each := range history {
		found = append(found, []operation{each})
	}
	return found
}

func join(parts [][]operation) []operation { return slices.Concat(parts...) }

// shrink leaves out as many parts as it can while the rest, with what is always there, is a violation.
func shrink(parts [][]operation, always []operation, until time.Time) [][]operation {
	for size := (len(parts) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(parts); {
			rest := slices.Concat(parts[:from], parts[min(from+size, len(parts)):])
			if check(append(join(rest), always...), until) == porcupine.Illegal {
				parts = rest
			} else {
				from += size
			}
		}
	}
	return parts
}

// shortest is the part of a violation that shows it: no value and no read of it can be left out, as far as the time goes.
func shortest(history []operation, until time.Time) []operation {
	left := join(shrink(parts(history), nil, until))
	var writes, reads []operation
	for _, each := range left {
		if each.write() {
			writes = append(writes, each)
		} else {
			reads = append(reads, each)
		}
	}
	found := append(writes, join(shrink(singles(reads), writes, until))...)
	slices.SortStableFunc(found, func(one, other operation) int { return int(microseconds(one.Begin) - microseconds(other.Begin)) })
	return found
}

func run(path string, limit time.Duration) (int, error) {
	file, err := os.Open(path)
	if err != nil {
		return unreadable, err
	}
	defer file.Close()
	history, err := load(file)
	if err != nil {
		return unreadable, fmt.Errorf("%s: %w", path, err)
	}
	said := relevant(history)
	answer := answers[check(said, time.Now().Add(limit))]
	fmt.Println(words[answer])
	if answer == violated {
		for _, each := range shortest(said, time.Now().Add(limit)) {
			fmt.Println(each)
		}
	}
	return answer, nil
}

func main() {
	flags := flag.NewFlagSet("linearizable", flag.ContinueOnError)
	limit := flags.Duration("limit", time.Minute, "how long to look for an answer, and again for the fewest operations")
	err := flags.Parse(os.Args[1:])
	if err != nil || flags.NArg() != 1 || *limit <= 0 {
		fmt.Fprintln(os.Stderr, "usage: linearizable [-limit 60s] HISTORY")
		os.Exit(unreadable)
	}
	code, err := run(flags.Arg(0), *limit)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	os.Exit(code)
}
