package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/plan"
)

const (
	// maxPlanFiles bounds the files of a plan; the wrong folder has more.
	maxPlanFiles = 1000
	// maxPlanBytes bounds their sizes together.
	maxPlanBytes = 32 << 20
)

// readDocuments reads the YAML documents of files and of the files in folders.
func (a *app) readDocuments(paths []string) ([]plan.Document, error) {
	if len(paths) == 0 {
		return nil, usagef("-f is missing: name a file or a folder")
	}
	files, err := planFiles(paths)
	if err != nil {
		return nil, err
	}
	var documents []plan.Document
	total := 0
	for _, path := range files {
		content, err := a.readInput(path, plan.MaxFileBytes)
		if err != nil {
			return nil, err
		}
		if total += len(content); total > maxPlanBytes {
			return nil, usagef("the files have more than %d bytes together", maxPlanBytes)
		}
		more, err := plan.Decode(sourceName(path), content)
		if err != nil {
			return nil, err
		}
		documents = append(documents, more...)
	}
	if len(documents) == 0 {
		return nil, usagef("there is no document in %s", quote(strings.Join(files, ", ")))
	}
	return documents, nil
}

func sourceName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// planFiles returns the files that paths name, each once. Of a folder these are
// the YAML files in it and below, in the order of their names: to overlook one
// could delete what it describes.
func planFiles(paths []string) ([]string, error) {
	var files []string
	add := func(path string) error {
		if !slices.Contains(files, path) {
			files = append(files, path)
		}
		if len(files) > maxPlanFiles {
			return usagef("there are more than %d files", maxPlanFiles)
		}
		return nil
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if path == "-" || (err == nil && !info.IsDir()) {
			if err := add(path); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, usagef("-f %s: %w; name a file or a folder that is there and can be read", quote(path), errors.Unwrap(err))
		}
		before := len(files)
		if err := filepath.WalkDir(path, func(found string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return usageError{err}
			case strings.HasPrefix(entry.Name(), ".") && found != path: // such as .git
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			case entry.IsDir() || !isYAML(found):
				return nil
			}
			return add(found)
		}); err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, usagef("there is no .yaml or .yml file in the folder %s", quote(path))
		}
	}
	return files, nil
}

func isYAML(path string) bool {
	extension := strings.ToLower(filepath.Ext(path))
	return extension == ".yaml" || extension == ".yml"
}

// readInput reads a file, or standard input, of at most so many bytes.
func (a *app) readInput(path string, most int) ([]byte, error) {
	in := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, usageError{err}
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", sourceName(path), err)
	}
	if len(content) > most {
		return nil, usagef("%s is larger than %d bytes", sourceName(path), most)
	}
	return content, nil
}

// writeDescribed writes files to a folder, none if one of them exists.
func writeDescribed(folder string, files []plan.File) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	for _, f := range files {
		_, err := os.Lstat(filepath.Join(folder, f.Name))
		if err == nil {
			return usagef("the file %s exists already: name another folder, or remove it", filepath.Join(folder, f.Name))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("write description: %w", err)
		}
	}
	for _, f := range files {
		if err := writeNewFile(filepath.Join(folder, f.Name), f.Content); err != nil {
			return fmt.Errorf("write description: %w", err)
		}
	}
	return nil
}

func writeNewFile(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}
