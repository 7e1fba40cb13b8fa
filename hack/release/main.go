package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	o, err := parse(os.Args[1:], os.Stderr)
	if err == nil {
		err = o.release(ctx, os.Stdout)
	}
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// options are what is asked for.
type options struct {
	root, commit, out, helm, version string
	platforms                        []string
}

func parse(args []string, help io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("release", flag.ContinueOnError)
	fs.SetOutput(help)
	fs.StringVar(&o.root, "root", "../..", "Directory of the repository.")
	fs.StringVar(&o.commit, "commit", "HEAD", "What is built.")
	fs.StringVar(&o.out, "out", "../../dist", "Directory to write to. It must be empty, or not be there.")
	fs.StringVar(&o.helm, "helm", "../../bin/helm", "Helm, which packs the chart.")
	fs.StringVar(&o.version, "version", "", "Version such as v0.1.0. If empty, the tag of the commit or, without one, a pseudo-version of its commit.")
	platforms := fs.String("platforms", "", "Make only what is for these, such as linux/amd64,darwin/arm64. All if empty.")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if *platforms != "" {
		o.platforms = strings.Split(*platforms, ",")
	}
	for _, p := range []*string{&o.root, &o.out, &o.helm} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return nil, err
		}
		*p = abs
	}
	return o, nil
}

// release makes everything and says what it has made.
func (o *options) release(ctx context.Context, says io.Writer) error {
	all, err := wanted(programs(), o.platforms)
	if err != nil {
		return err
	}
	if files, err := os.ReadDir(o.out); err == nil && len(files) > 0 {
		return fmt.Errorf("%s is not empty: remove it, or give another directory", o.out)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "loadline-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	s, err := checkout(ctx, o.root, o.commit, work, o.version)
	if err != nil {
		return err
	}
	fmt.Fprintf(says, "%s, commit %s of %s\n", s.version, s.commit[:12], s.at.Format("2006-01-02 15:04 MST"))
	w := &writer{options: o, source: s, work: work, says: says}
	if w.roots, err = rootCertificates(); err != nil {
		return err
	}
	if w.license, err = os.ReadFile(filepath.Join(s.dir, "LICENSE")); err != nil {
		return err
	}
	for _, p := range all {
		for _, of := range p.platforms {
			if err := w.program(ctx, p, of); err != nil {
				return err
			}
		}
	}
	if err := w.chart(ctx); err != nil {
		return err
	}
	list, err := sums(o.out)
	if err != nil {
		return err
	}
	return w.write(sumsName, list)
}

// writer writes the files of one release.
type writer struct {
	*options
	source         *source
	work           string
	roots, license []byte
	says           io.Writer
}

func (w *writer) write(name string, data []byte) error {
	fmt.Fprintf(w.says, "%8.1f MB  %s\n", float64(len(data))/1e6, name)
	return os.WriteFile(filepath.Join(w.out, name), data, 0o644)
}

// program writes the archive of a program for a platform and, where there is to be one, its
// image.
func (w *writer) program(ctx context.Context, p program, of platform) error {
	file := filepath.Join(w.work, "program")
	if err := w.source.build(ctx, p.name, of, file); err != nil {
		return err
	}
	binary, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	entries := []entry{{name: "LICENSE", mode: 0o644, data: w.license}, {name: p.name, mode: 0o755, data: binary}}
	for name, from := range p.files {
		data, err := os.ReadFile(filepath.Join(w.source.dir, filepath.FromSlash(from)))
		if err != nil {
			return err
		}
		entries = append(entries, entry{name: name, mode: 0o755, data: data})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	data, err := tarOf(entries, w.source.at)
	if err != nil {
		return err
	}
	if data, err = gzipped(data); err != nil {
		return err
	}
	if err := w.write(archiveName(p.name, w.source.version, of), data); err != nil {
		return err
	}
	if !p.image {
		return nil
	}
	image, err := imageOf(p, of, w.source.version, w.roots, binary, w.source.at)
	if err != nil {
		return err
	}
	if data, err = packed(image, p.name, w.source.version); err != nil {
		return err
	}
	return w.write(imageName(p.name, w.source.version, of), data)
}

// chart writes the package of the chart. Its images are those of this version, under the
// names that its values give them.
func (w *writer) chart(ctx context.Context) error {
	version := strings.TrimPrefix(w.source.version, "v")
	cmd := exec.CommandContext(ctx, w.helm, "package", filepath.Join(w.source.dir, "deploy", "chart"),
		"--version", version, "--app-version", w.source.version, "--destination", w.work)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("helm package: %w\n%s", err, out)
	}
	archive, err := os.ReadFile(filepath.Join(w.work, chartName(w.source.version)))
	if err != nil {
		return err
	}
	// Helm's own may have the time of its making.
	if archive, err = repacked(archive, w.source.at); err != nil {
		return fmt.Errorf("the chart's package: %w", err)
	}
	return w.write(chartName(w.source.version), archive)
}
