// The objects of a gateway, in both modes: names, namespaces, and the properties that keep it safe and its restarts unseen.
import { generateKeyPairSync } from 'node:crypto';
import { gatewayManifests, namespaceManifest } from '../../src/clusterlink/gateway-manifests';
import { gatewaySecrets, siteRevision, type SitePems } from '../../src/clusterlink/gateway-secrets';
import type { Container, DeploymentResource, GatewayPeer, RoleResource, ServiceResource } from '../../src/clusterlink/manifest';
import { instanceManifests, operatorManifests } from '../../src/clusterlink/operator-manifests';
import { describeRef, refOf, type KubeObject } from '../../src/kubernetes/kube-object';
import { objectPath } from '../../src/kubernetes/resource-path';
import { gatewayOptions } from '../../src/model/gateway';
import { peer as peerSchema } from '../../src/model/peer';
import type { z } from 'zod';

const revision = { siteRevision: 'r1' };

describe('a gateway in direct mode', () => {
  test('consists of distinct objects, each where it belongs, accounts and roles first', () => {
    expect(gatewayManifests(peerOf(), optionsOf(), revision).map((object) => describeRef(refOf(object)))).toEqual([
      'ServiceAccount clusterlink-system/cl-controlplane',
      'ClusterRole skyfabric:clusterlink-system:cl-controlplane',
      'ClusterRoleBinding skyfabric:clusterlink-system:cl-controlplane',
      'Role clusterlink-system/cl-controlplane',
      'RoleBinding clusterlink-system/cl-controlplane',
      'Service clusterlink-system/cl-controlplane',
      'Service clusterlink-system/clusterlink',
      'Deployment clusterlink-system/cl-controlplane',
      'Deployment clusterlink-system/cl-dataplane',
    ]);
  });

  test('stands wholly in the namespace that the peer gives', () => {
    const objects = gatewayManifests(peerOf({ namespace: 'mesh' }), optionsOf(), revision);
    for (const object of objects) expect(objectPath(refOf(object))).toMatch(/\/namespaces\/mesh\/|skyfabric%3Amesh%3Acl-controlplane$/);
    expect(JSON.stringify(objects)).not.toContain('clusterlink-system');
  });

  test('its selectors find its pods, whatever labels the operator adds', () => {
    const objects = gatewayManifests(peerOf(), optionsOf({ labels: { team: 'net', app: 'mine' } }), revision);
    const deployments = only<DeploymentResource>(objects, 'Deployment');
    for (const { spec } of deployments) {
      expect(spec.template.metadata.labels).toMatchObject({ ...spec.selector.matchLabels, team: 'net' });
    }
    for (const { spec } of only<ServiceResource>(objects, 'Service')) {
      expect(deployments.map((each) => each.spec.selector.matchLabels)).toContainEqual(spec.selector);
    }
    for (const object of objects) expect(object.metadata.labels).toMatchObject({ team: 'net', 'app.kubernetes.io/part-of': 'clusterlink' });
  });

  test('its pods run as nobody, with nothing, and may write nothing', () => {
    for (const { spec } of only<DeploymentResource>(gatewayManifests(peerOf(), optionsOf(), revision), 'Deployment')) {
      expect(spec.template.spec.securityContext).toMatchObject({
        runAsNonRoot: true,
        runAsUser: 65532,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(spec.template.spec.containers[0]?.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  test('only its control plane has a token of the API server', () => {
    const [controlplane, dataplane] = only<DeploymentResource>(gatewayManifests(peerOf(), optionsOf(), revision), 'Deployment');
    expect(controlplane?.spec.template.spec).toMatchObject({ serviceAccountName: 'cl-controlplane', automountServiceAccountToken: true });
    expect(dataplane?.spec.template.spec).toMatchObject({ automountServiceAccountToken: false });
    expect(dataplane?.spec.template.spec).not.toHaveProperty('serviceAccountName');
  });

  test('Secrets of other namespaces are out of its reach', () => {
    const objects = gatewayManifests(peerOf(), optionsOf(), revision);
    const [clusterRole] = only<RoleResource>(objects, 'ClusterRole');
    const [role] = only<RoleResource>(objects, 'Role');
    expect(clusterRole?.rules.flatMap(({ resources }) => resources)).not.toContain('secrets');
    expect(role?.rules.flatMap(({ resources }) => resources)).toEqual(['secrets', 'events', 'leases', 'peers', 'peers/status']);
  });

  test('its pods are replaced one by one, tried every second, and wait before they stop', () => {
    for (const { spec } of only<DeploymentResource>(gatewayManifests(peerOf(), optionsOf(), revision), 'Deployment')) {
      expect(spec).toMatchObject({ minReadySeconds: 2, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } });
      expect(spec.template.spec.containers[0]).toMatchObject({
        readinessProbe: { httpGet: { port: 4445 }, periodSeconds: 1 },
        lifecycle: { preStop: { sleep: { seconds: 5 } } },
      });
    }
    const [old] = only<DeploymentResource>(gatewayManifests(peerOf(), optionsOf(), { ...revision, waitBeforeStop: false }), 'Deployment');
    expect(old?.spec.template.spec.containers[0]).not.toHaveProperty('lifecycle');
  });

  test('both Deployments restart when the site certificates change, and not when nothing does', () => {
    const templates = (siteRevision: string) =>
      only<DeploymentResource>(gatewayManifests(peerOf(), optionsOf(), { siteRevision }), 'Deployment').map(({ spec }) => spec.template);
    expect(templates('r1')).toEqual(templates('r1'));
    expect(templates('r1')[0]).not.toEqual(templates('r2')[0]);
    expect(templates('r1')[1]).not.toEqual(templates('r2')[1]);
  });

  test.each([
    ['envoy', 'info', 'registry.example/cl/cl-dataplane:v9.9.9', 'info'],
    ['go', 'fatal', 'registry.example/cl/cl-go-dataplane:v9.9.9', 'fatal'],
    ['envoy', 'fatal', 'registry.example/cl/cl-dataplane:v9.9.9', 'critical'],
  ] as const)('the data plane %s at log level %s runs %s with level %s', (dataplane, logLevel, image, level) => {
    const container = containerOf(
      'cl-dataplane',
      peerOf(),
      optionsOf({ dataplane, logLevel, registry: 'registry.example/cl', tag: 'v9.9.9' }),
    );
    expect(container).toMatchObject({ image, args: ['--log-level', level, '--controlplane-host', 'cl-controlplane'] });
  });

  test('replicas, resources, pull secrets and peer labels arrive where they count', () => {
    const options = optionsOf({
      controlplaneReplicas: 2,
      dataplaneReplicas: 3,
      imagePullSecrets: ['pull'],
      dataplaneResources: { limits: { memory: '1Gi' } },
    });
    const peer = peerOf({ labels: { region: 'eu', arch: 'arm64' } });
    const [controlplane, dataplane] = only<DeploymentResource>(gatewayManifests(peer, options, revision), 'Deployment');
    expect([controlplane?.spec.replicas, dataplane?.spec.replicas]).toEqual([2, 3]);
    expect(dataplane?.spec.template.spec['imagePullSecrets']).toEqual([{ name: 'pull' }]);
    expect(containerOf('cl-dataplane', peer, options)?.['resources']).toEqual({ limits: { memory: '1Gi' } });
    expect(containerOf('cl-controlplane', peer, options)?.['args']).toEqual([
      '--log-level',
      'info',
      '--peer-label',
      'arch=arm64',
      '--peer-label',
      'region=eu',
    ]);
  });

  test('every file that it mounts comes from a Secret and key that it makes', () => {
    const keys = Object.fromEntries(secretsOf(site()).map(({ metadata, data }) => [metadata.name, Object.keys(data)]));
    for (const { spec } of only<DeploymentResource>(gatewayManifests(peerOf(), optionsOf(), revision), 'Deployment')) {
      const volumes = spec.template.spec['volumes'] as { name: string; secret: { secretName: string } }[];
      const mounts = spec.template.spec.containers[0]?.['volumeMounts'] as { name: string; subPath?: string }[];
      for (const { name, subPath } of mounts) {
        const secret = volumes.find((volume) => volume.name === name)?.secret.secretName ?? '';
        expect(keys[secret]).toEqual(subPath === undefined ? ['ca.pem', 'cert.pem', 'key.pem'] : expect.arrayContaining([subPath]));
      }
    }
  });

  test.each<[Parameters<typeof peerOf>[0], object]>([
    [{}, { type: 'LoadBalancer', ports: [{ name: 'dataplane', port: 443, targetPort: 4443 }] }],
    [
      { ingress: { type: 'LoadBalancer', port: 8443 } },
      { type: 'LoadBalancer', ports: [{ name: 'dataplane', port: 8443, targetPort: 4443 }] },
    ],
    [{ ingress: { type: 'NodePort' } }, { type: 'NodePort', ports: [{ name: 'dataplane', port: 443, targetPort: 4443 }] }],
    [
      { ingress: { type: 'NodePort', nodePort: 30443 } },
      { type: 'NodePort', ports: [{ name: 'dataplane', port: 443, targetPort: 4443, nodePort: 30443 }] },
    ],
    [
      { ingress: { type: 'none', host: 'gw.example', port: 8443 } },
      { type: 'ClusterIP', ports: [{ name: 'dataplane', port: 443, targetPort: 4443 }] },
    ],
  ])('the ingress of %j becomes %j', (given, spec) => {
    const services = only<ServiceResource>(gatewayManifests(peerOf(given), optionsOf(), revision), 'Service');
    expect(services.find(({ metadata }) => metadata.name === 'clusterlink')?.spec).toEqual({ ...spec, selector: { app: 'cl-dataplane' } });
  });

  test('annotations of the ingress reach its Service', () => {
    const annotations = { 'lb.example/internal': 'true' };
    const objects = gatewayManifests(peerOf({ ingress: { type: 'LoadBalancer', annotations } }), optionsOf(), revision);
    expect(objects.find(({ metadata }) => metadata.name === 'clusterlink')?.metadata.annotations).toEqual(annotations);
  });
});

describe('the Secrets of a gateway', () => {
  test('have the names and keys that ClusterLink reads', () => {
    const content = secretsOf(site()).map(({ metadata, data }) => [
      `${String(metadata.namespace)}/${metadata.name}`,
      Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])),
    ]);
    expect(Object.fromEntries(content)).toEqual({
      'mesh/cl-ca': { ca: 'site-ca' },
      'mesh/cl-controlplane': { cert: 'cp-cert', key: 'cp-key' },
      'mesh/cl-dataplane': { cert: 'dp-cert', key: 'dp-key' },
      'mesh/cl-peer': { 'ca.pem': 'fabric-ca', 'cert.pem': 'peer-cert', 'key.pem': 'peer-key' },
    });
  });

  test('the revision of the site changes with its certificates, and holds nothing of its keys', () => {
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const one = site();
    expect(siteRevision({ ...one, dataplane: { ...one.dataplane, keyPem: privateKey } })).toBe(siteRevision(one));
    expect(siteRevision({ ...one, dataplane: { ...one.dataplane, certificatePem: 'renewed' } })).not.toBe(siteRevision(one));
    expect(siteRevision(one)).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe('a gateway in operator mode', () => {
  test('the operator is one set of objects in its own namespace', () => {
    expect(operatorManifests(optionsOf({ mode: 'operator' })).map((object) => describeRef(refOf(object)))).toEqual([
      'ServiceAccount clusterlink-operator/cl-operator-controller-manager',
      'ClusterRole skyfabric:clusterlink-operator:cl-operator',
      'ClusterRoleBinding skyfabric:clusterlink-operator:cl-operator',
      'Role clusterlink-operator/cl-operator-controller-manager',
      'RoleBinding clusterlink-operator/cl-operator-controller-manager',
      'Deployment clusterlink-operator/cl-operator-controller-manager',
    ]);
  });

  test('the operator holds every permission that its control plane is given', () => {
    const [operator] = only<RoleResource>(operatorManifests(optionsOf()), 'ClusterRole');
    const held = new Set(operator?.rules.flatMap(grants));
    const given = gatewayManifests(peerOf(), optionsOf(), revision).flatMap((object) =>
      'rules' in object ? (object as RoleResource).rules.flatMap(grants) : [],
    );
    expect(given.filter((grant) => !held.has(grant))).toEqual([]);
  });

  test('the Instance says what the peer and the options say', () => {
    const [instance, ...rest] = instanceManifests(
      peerOf({ namespace: 'mesh', ingress: { type: 'NodePort', nodePort: 30443 }, labels: { region: 'eu' } }),
      optionsOf({ mode: 'operator', dataplane: 'go', dataplaneReplicas: 2 }),
    );
    expect(rest).toEqual([]);
    expect(instance).toMatchObject({
      apiVersion: 'clusterlink.net/v1alpha1',
      kind: 'Instance',
      metadata: { name: 'mesh', namespace: 'clusterlink-operator' },
      spec: {
        dataplane: { type: 'go', replicas: 2 },
        ingress: { type: 'NodePort', port: 30443 },
        logLevel: 'info',
        containerRegistry: 'ghcr.io/clusterlink-net',
        tag: 'v0.4.1',
        namespace: 'mesh',
        peerLabels: { region: 'eu' },
      },
    });
  });

  test('no map in the Instance is empty: the operator drops such maps, and asking for them again would be a change', () => {
    const [instance] = instanceManifests(peerOf({}), optionsOf({ mode: 'operator' }));
    expect(instance).not.toHaveProperty('spec.peerLabels');
    expect(instance).not.toHaveProperty('spec.ingress.annotations');
  });

  test('without an ingress of the operator the Service that merging Imports need is made beside it', () => {
    const objects = instanceManifests(peerOf({ ingress: { type: 'none', host: 'gw.example' } }), optionsOf({ mode: 'operator' }));
    expect(objects.map((object) => describeRef(refOf(object)))).toEqual([
      'Service clusterlink-system/clusterlink',
      'Instance clusterlink-operator/clusterlink-system',
    ]);
    expect(objects[1]).toMatchObject({ spec: { ingress: { type: 'none' } } });
  });

  test('options that the operator cannot honour are refused, all at once', () => {
    const options = optionsOf({
      mode: 'operator',
      controlplaneReplicas: 2,
      imagePullSecrets: ['pull'],
      dataplaneResources: { limits: { cpu: '1' } },
      logLevel: 'fatal',
    });
    expect(() => instanceManifests(peerOf(), options)).toThrow(
      expect.objectContaining({
        code: 'invalid',
        message: expect.stringMatching(/controlplaneReplicas 2.*imagePullSecrets.*dataplaneResources.*logLevel fatal/),
      }),
    );
  });
});

test('a namespace is named as it is asked for', () => {
  expect(refOf(namespaceManifest('mesh'))).toEqual({ apiVersion: 'v1', kind: 'Namespace', name: 'mesh' });
});

function peerOf(given: Partial<z.input<typeof peerSchema>> = {}): GatewayPeer {
  return peerSchema.parse({ name: 'west', context: 'kind-west', ...given });
}

function optionsOf(given: z.input<typeof gatewayOptions> = {}) {
  return gatewayOptions.parse(given);
}

function site(): SitePems {
  return {
    caPem: 'site-ca',
    controlplane: { certificatePem: 'cp-cert', keyPem: 'cp-key' },
    dataplane: { certificatePem: 'dp-cert', keyPem: 'dp-key' },
  };
}

function secretsOf(pems: SitePems) {
  return gatewaySecrets({
    namespace: 'mesh',
    site: pems,
    peer: { certificatePem: 'peer-cert', keyPem: 'peer-key' },
    authorityPem: 'fabric-ca',
  });
}

function only<T extends KubeObject>(objects: readonly KubeObject[], kind: string): T[] {
  return objects.filter((object): object is T => object.kind === kind);
}

function containerOf(name: string, peer: GatewayPeer, options: ReturnType<typeof optionsOf>): Container | undefined {
  const deployments = only<DeploymentResource>(gatewayManifests(peer, options, revision), 'Deployment');
  return deployments.find(({ metadata }) => metadata.name === name)?.spec.template.spec.containers[0];
}

function grants(rule: RoleResource['rules'][number]): string[] {
  return rule.apiGroups.flatMap((group) => rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${verb} ${group}/${resource}`)));
}
