package adapter

import "runtime/debug"

// version is the module's version as the Go toolchain stamped it into the
// binary, or "devel".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
