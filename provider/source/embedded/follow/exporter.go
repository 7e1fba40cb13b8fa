package follow

import (
	"fmt"
	"maps"
	"net/netip"

	"github.com/loadline/loadline/provider/endpoint"
	"github.com/loadline/loadline/provider/source/embedded/target"
)

// servicesOf are the Services that are watched: those that exporters name, and that of the
// API servers, which nothing is scraped without knowing.
func servicesOf(exporters []endpoint.Exporter) map[service]bool {
	all := map[service]bool{apiServer(): true}
	for _, e := range exporters {
		if e.Service != "" {
			all[service{e.Namespace, e.Service}] = true
		}
	}
	return all
}

// answered are the exporters whose pods can be told, with the endpoints of their Services. An
// exporter whose Service was not asked for a moment ago is neither scraped nor refused yet.
func (f *Follower) answered() (exporters []endpoint.Exporter, endpoints []target.Endpoint, refused []target.Refusal) {
	seen := map[service]bool{}
	for _, e := range f.exporters {
		if e.Service == "" {
			exporters = append(exporters, e)
			continue
		}
		of := service{e.Namespace, e.Service}
		all, known, err := f.services.slices(of)
		switch {
		case known:
			exporters = append(exporters, e)
		case err != nil:
			refused = append(refused, target.Refusal{
				Namespace: e.Namespace, Exporter: e.Name, Reason: fmt.Sprintf("the EndpointSlices of its Service %s cannot be watched: %s", e.Service, err),
			})
		}
		for _, one := range all {
			if !seen[of] {
				endpoints = append(endpoints, target.FromSlice(one)...)
			}
		}
		seen[of] = true
	}
	return exporters, endpoints, refused
}

// denied are the addresses of API servers: those that were given, and those of their Service.
// Loopback, where they are for development, has a rule of its own.
func (f *Follower) denied() map[netip.Addr]string {
	denied := map[netip.Addr]string{}
	maps.Copy(denied, f.opts.Fence.Denied)
	all, _, _ := f.services.slices(apiServer())
	for _, one := range all {
		for _, ip := range target.Addresses(one) {
			if !ip.IsLoopback() {
				denied[ip] = "the API server"
			}
		}
	}
	return denied
}
