package guard

// Catalogue returns all modes, in the order of their numbers.
func Catalogue() []Mode {
	return []Mode{
		targetMissing(),
		targetUnscalable(),
		wrongGroupKind(),
		generationBound(),
		twoWriters(),
		replicasInManifest(),
	}
}
