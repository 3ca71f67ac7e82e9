// Services: defaults, allocated addresses, and what follows when the type changes.
// Source: kubernetes/kubernetes pkg/registry/core/service and pkg/apis/core/{v1/defaults,validation} at v1.32.

import { isObject, objectAt, objectsAt, setDefaults, textAt, valueAt, type JsonObject, type KubeObject } from '../object';
import { duplicateValue, forbiddenValue, invalidValue, required, unsupportedValue, type StatusCause } from '../status';
import type { KindContext, KindRules } from './kind-rules';
import { isNodePort, nodePortsOf } from './service-addresses';

const SERVICES = { group: '', plural: 'services' };
const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

const specOf = (service: KubeObject | undefined): JsonObject => objectAt(service, 'spec');
const hasNodePorts = (spec: JsonObject): boolean => spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer';
const hasClusterIp = (spec: JsonObject): boolean => spec['type'] !== 'ExternalName' && spec['clusterIP'] !== 'None';

/** How many node ports the server may have to pick for this Service. */
export function nodePortsNeeded(service: unknown): number {
  return objectsAt(service, 'spec', 'ports').length;
}

export const serviceRules: KindRules = {
  initialStatus: () => ({ loadBalancer: {} }),
  prepare(service, previous, context) {
    const spec = (service['spec'] = { ...specOf(service) });
    setDefaults(spec, { type: 'ClusterIP', sessionAffinity: 'None' });
    for (const port of portsOf(spec))
      setDefaults(port, { protocol: 'TCP', ...(spec['type'] === 'ExternalName' ? {} : { targetPort: port['port'] }) });
    if (previous !== undefined) carryOver(spec, specOf(previous));
    if (spec['type'] !== 'ExternalName')
      setDefaults(spec, { internalTrafficPolicy: 'Cluster', ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] });
    if (hasNodePorts(spec)) setDefaults(spec, { externalTrafficPolicy: 'Cluster' });
    if (spec['type'] === 'LoadBalancer') setDefaults(spec, { allocateLoadBalancerNodePorts: true });
    allocate(spec, context);
  },
  validate(service, previous, context) {
    const spec = specOf(service);
    const causes = [...typeProblems(spec), ...portProblems(spec), ...nodePortProblems(service, spec, context)];
    const before = specOf(previous);
    if (previous !== undefined && hasClusterIp(spec) && hasClusterIp(before) && before['clusterIP'] !== spec['clusterIP']) {
      causes.push(invalidValue('spec.clusterIPs[0]', [spec['clusterIP']], 'may not change once set'));
    }
    return causes;
  },
};

function portsOf(spec: JsonObject): JsonObject[] {
  return objectsAt(spec, 'ports');
}

/** An update that leaves allocated values out keeps them; one that changes the type drops those that no longer apply. */
function carryOver(spec: JsonObject, before: JsonObject): void {
  if (spec['type'] !== 'ExternalName' && before['type'] !== 'ExternalName') {
    if (textAt(spec, 'clusterIP') === '') spec['clusterIP'] = before['clusterIP'];
    if (spec['clusterIP'] === before['clusterIP'] && spec['clusterIPs'] === undefined) spec['clusterIPs'] = before['clusterIPs'];
  }
  if (spec['type'] === 'ExternalName' && before['type'] !== 'ExternalName') {
    for (const member of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy']) delete spec[member];
  }
  const earlier = new Map(portsOf(before).map((port) => [`${String(port['protocol'])}/${String(port['port'])}`, port['nodePort']]));
  for (const port of portsOf(spec)) {
    const nodePort = earlier.get(`${String(port['protocol'])}/${String(port['port'])}`);
    if (hasNodePorts(spec) && hasNodePorts(before) && port['nodePort'] === undefined && nodePort !== undefined) port['nodePort'] = nodePort;
    if (!hasNodePorts(spec) && hasNodePorts(before) && port['nodePort'] === nodePort) delete port['nodePort'];
  }
  if (!hasNodePorts(spec) && hasNodePorts(before)) delete spec['externalTrafficPolicy'];
  if (spec['type'] !== 'LoadBalancer' && before['type'] === 'LoadBalancer') delete spec['allocateLoadBalancerNodePorts'];
}

function allocate(spec: JsonObject, { addresses, dryRun, store }: KindContext): void {
  if (spec['type'] !== 'ExternalName') {
    if (textAt(spec, 'clusterIP') === '') {
      const taken = new Set(store.list(SERVICES).map((service) => specOf(service)['clusterIP']));
      do spec['clusterIP'] = addresses.nextClusterIp();
      while (taken.has(spec['clusterIP']));
    }
    setDefaults(spec, { clusterIPs: [spec['clusterIP']] });
  }
  if (!hasNodePorts(spec) || spec['allocateLoadBalancerNodePorts'] === false || dryRun) return;
  for (const port of portsOf(spec)) {
    if (port['nodePort'] === undefined || port['nodePort'] === 0) port['nodePort'] = addresses.takeNodePort();
    else if (isNodePort(port['nodePort'])) addresses.holdNodePort(port['nodePort'] as number);
  }
}

function typeProblems(spec: JsonObject): StatusCause[] {
  if (!TYPES.includes(textAt(spec, 'type'))) return [unsupportedValue('spec.type', spec['type'], TYPES)];
  if (spec['type'] === 'ExternalName') {
    const causes = textAt(spec, 'externalName') === '' ? [required('spec.externalName')] : [];
    if (textAt(spec, 'clusterIP') !== '') causes.push(forbiddenValue('spec.clusterIPs', "may not be set when `type` is 'ExternalName'"));
    return causes;
  }
  if (spec['clusterIP'] === 'None' && hasNodePorts(spec)) {
    return [invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${textAt(spec, 'type')} services`)];
  }
  return [];
}

function portProblems(spec: JsonObject): StatusCause[] {
  const ports = portsOf(spec);
  const causes = ports.length === 0 && hasClusterIp(spec) ? [required('spec.ports')] : [];
  const names = new Set<string>();
  const keys = new Set<string>();
  ports.forEach((port, index) => {
    const field = `spec.ports[${index}]`;
    const name = textAt(port, 'name');
    if (name === '' && ports.length > 1) causes.push(required(`${field}.name`));
    if (name !== '' && names.has(name)) causes.push(duplicateValue(`${field}.name`, name));
    if (!isPort(port['port'])) causes.push(invalidValue(`${field}.port`, port['port'] ?? 0, 'must be between 1 and 65535, inclusive'));
    const { targetPort } = port;
    if (typeof targetPort === 'number' && !isPort(targetPort)) {
      causes.push(invalidValue(`${field}.targetPort`, targetPort, 'must be between 1 and 65535, inclusive'));
    }
    if (!['TCP', 'UDP', 'SCTP'].includes(textAt(port, 'protocol'))) {
      causes.push(unsupportedValue(`${field}.protocol`, port['protocol'], ['SCTP', 'TCP', 'UDP']));
    }
    const key = JSON.stringify([port['protocol'], port['port']]);
    if (keys.has(key)) causes.push(duplicateValue(field, { port: port['port'], protocol: port['protocol'] }));
    names.add(name);
    keys.add(key);
  });
  return causes;
}

function isPort(port: unknown): boolean {
  return typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function nodePortProblems(service: KubeObject, spec: JsonObject, { store }: KindContext): StatusCause[] {
  const isSelf = (other: KubeObject): boolean => other.metadata.uid === service.metadata.uid;
  const taken = new Set(
    store
      .list(SERVICES)
      .filter((other) => !isSelf(other))
      .flatMap(nodePortsOf),
  );
  return portsOf(spec).flatMap((port, index) => {
    const nodePort = valueAt(port, 'nodePort');
    if (nodePort === undefined || isObject(nodePort)) return [];
    const field = `spec.ports[${index}].nodePort`;
    if (!hasNodePorts(spec)) return [forbiddenValue(field, `may not be used when \`type\` is '${textAt(spec, 'type')}'`)];
    if (!isNodePort(nodePort)) {
      return [invalidValue(field, nodePort, 'provided port is not in the valid range. The range of valid ports is 30000-32767')];
    }
    return taken.has(nodePort as number) ? [invalidValue(field, nodePort, 'provided port is already allocated')] : [];
  });
}
