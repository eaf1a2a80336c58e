package logfile

import "os"

// Agents upgrade themselves on Linux only: there is no second process.
func tryLock(*os.File) bool { return true }

func unlock(*os.File) {}
