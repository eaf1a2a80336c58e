package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// number is a flag that takes a number from least to most; math.MaxInt64 is no
// bound.
type number[N int | int64 | float64] struct {
	value       *N
	least, most N
}

// numberFlag adds a number flag. Its name in the help is quoted in usage, as for
// other flags.
func numberFlag[N int | int64 | float64](flags *pflag.FlagSet, value *N, name string, otherwise, least, most N, usage string) {
	*value = otherwise
	flags.Var(number[N]{value, least, most}, name, usage)
}

func (n number[N]) String() string {
	if n.value == nil {
		return "0"
	}
	return fmt.Sprint(*n.value)
}

// Type is what the help says where usage quotes no name.
func (n number[N]) Type() string { return "number" }

func (n number[N]) Set(s string) error {
	v, err := parseNumber[N](s)
	if err != nil || !(v >= n.least && v <= n.most) { // NaN too
		return errors.New("use " + n.allowed())
	}
	*n.value = v
	return nil
}

func parseNumber[N int | int64 | float64](s string) (N, error) {
	var v N
	if _, fraction := any(v).(float64); fraction {
		f, err := strconv.ParseFloat(s, 64)
		return N(f), err
	}
	i, err := strconv.ParseInt(s, 10, 64)
	return N(i), err
}

func (n number[N]) allowed() string {
	kind := "a whole number"
	if _, fraction := any(n.least).(float64); fraction {
		kind = "a number"
	}
	if int64(n.most) == math.MaxInt64 {
		return fmt.Sprintf("%s of at least %v", kind, n.least)
	}
	return fmt.Sprintf("%s from %v to %v", kind, n.least, n.most)
}

// flagMistake says of a flag that was not understood what it takes, and not what
// Go calls the mistake.
func flagMistake(_ *cobra.Command, err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return usageError{err}
	}
	flag, takes := invalid.GetFlag(), errors.Unwrap(invalid).Error()
	switch flag.Value.Type() {
	case "bool":
		takes = "use true or false"
	case "duration":
		takes = "use a time such as 90s, 30m or 1h"
	case "int":
		takes = "use a whole number"
	case "uint64":
		takes = fmt.Sprintf("use a whole number from 0 to %d", uint64(math.MaxUint64))
	}
	return usagef("--%s %s: %s", flag.Name, quote(invalid.GetValue()), takes)
}
