package node

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// serviceAddress says where a port of a service answers for processes of this
// node. It reports false where the service cannot be reached.
type serviceAddress func(*corev1.Service, corev1.ServicePort) (host string, port int32, ok bool)

// serviceEnv returns the variables a container gets for services: those of its
// namespace unless links is false, and always those of the API server.
func serviceEnv(services []*corev1.Service, links bool, address serviceAddress, api endpoint) map[string]string {
	env := map[string]string{}
	for _, svc := range services {
		if links && hasClusterIP(svc) {
			addServiceEnv(env, svc, address)
		}
	}
	apiPort, err := strconv.ParseInt(api.Port, 10, 32)
	if err == nil {
		kubernetes := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: int32(apiPort)}}}}
		kubernetes.Name = "kubernetes"
		addServiceEnv(env, kubernetes, func(*corev1.Service, corev1.ServicePort) (string, int32, bool) {
			return api.Host, int32(apiPort), true
		})
	}
	return env
}

func hasClusterIP(svc *corev1.Service) bool {
	return svc.Spec.Type != corev1.ServiceTypeExternalName && svc.Spec.ClusterIP != "" && svc.Spec.ClusterIP != corev1.ClusterIPNone
}

// addServiceEnv writes the variables of one service: {NAME}_SERVICE_HOST and
// _PORT of its first port, _PORT_{PORTNAME} of the named ones, and the older
// {NAME}_PORT… family that follows container links. The port in a variable's
// name is the one the service declares, also where it answers on another.
func addServiceEnv(env map[string]string, svc *corev1.Service, address serviceAddress) {
	name := envName(svc.Name)
	first := true
	for _, port := range svc.Spec.Ports {
		host, number, ok := address(svc, port)
		if !ok {
			continue
		}
		value := strconv.Itoa(int(number))
		protocol := port.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		url := strings.ToLower(string(protocol)) + "://" + net.JoinHostPort(host, value)
		if first {
			first = false
			env[name+"_SERVICE_HOST"] = host
			env[name+"_SERVICE_PORT"] = value
			env[name+"_PORT"] = url
		}
		if port.Name != "" {
			env[name+"_SERVICE_PORT_"+envName(port.Name)] = value
		}
		link := fmt.Sprintf("%s_PORT_%d_%s", name, port.Port, protocol)
		env[link] = url
		env[link+"_PROTO"] = strings.ToLower(string(protocol))
		env[link+"_PORT"] = value
		env[link+"_ADDR"] = host
	}
}

func envName(s string) string {
	return strings.ToUpper(strings.ReplaceAll(s, "-", "_"))
}
