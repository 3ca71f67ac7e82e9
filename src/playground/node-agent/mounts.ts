// What a container is given of its cluster's Secrets and ConfigMaps: files and environment, or the reason why it cannot start.
// Source of reasons and messages: kubelet.
import type { Informer } from '../informer';
import type { Files } from './program';
import type { ContainerSpec, DataResource, PodResource } from './resources';

/** Why a container waits, and the event that says so. */
export interface Problem {
  readonly reason: 'ContainerCreating' | 'CreateContainerConfigError' | 'ImagePullBackOff';
  readonly message: string;
  readonly event: string;
}

/** The cluster's Secrets and ConfigMaps. */
export class Mounts {
  constructor(
    private readonly secrets: Informer<DataResource>,
    private readonly configMaps: Informer<DataResource>,
  ) {}

  /** What keeps this container from starting; `undefined` when nothing does. */
  problem(pod: PodResource, container: ContainerSpec): Problem | undefined {
    const { namespace = '' } = pod.metadata;
    for (const { name, secret, configMap } of pod.spec.volumes ?? []) {
      const source = secret ?? configMap;
      const wanted = secret?.secretName ?? configMap?.name;
      if (source === undefined || wanted === undefined || source.optional === true) continue;
      const kind = secret === undefined ? 'configmap' : 'secret';
      const data = this.data(kind, namespace, wanted);
      const failed = (why: string): Problem => ({
        reason: 'ContainerCreating',
        message: why,
        event: `MountVolume.SetUp failed for volume "${name}" : ${why}`,
      });
      if (data === undefined) return failed(`${kind} "${wanted}" not found`);
      const missing = source.items?.find(({ key }) => data[key] === undefined);
      if (missing !== undefined) return failed(`references non-existent ${kind} key: ${missing.key}`);
    }
    for (const { name, subPath } of container.volumeMounts ?? []) {
      const folder = this.folder(pod, name);
      if (subPath !== undefined && folder !== undefined && !folder.has(subPath)) {
        return configError(
          `failed to prepare subPath for volumeMount "${name}" of container "${container.name}": key ${subPath} does not exist`,
        );
      }
    }
    for (const { valueFrom } of container.env ?? []) {
      for (const [kind, ref] of [
        ['secret', valueFrom?.secretKeyRef],
        ['configmap', valueFrom?.configMapKeyRef],
      ] as const) {
        if (ref === undefined || ref.optional === true) continue;
        const data = this.data(kind, namespace, ref.name);
        if (data === undefined) return configError(`${kind} "${ref.name}" not found`);
        if (data[ref.key] === undefined) return configError(`couldn't find key ${ref.key} in ${kind} ${namespace}/${ref.name}`);
      }
    }
    return undefined;
  }

  /** The Secrets for pulling images that are named and missing: kubelet says so, and pulls without them. */
  missingPullSecrets({ metadata, spec }: PodResource): string[] {
    return (spec.imagePullSecrets ?? [])
      .map(({ name }) => name)
      .filter((name) => this.data('secret', metadata.namespace ?? '', name) === undefined);
  }

  /** A container's files; `live` are those of whole folders, the others keep what they had at the start. */
  files(pod: PodResource, container: ContainerSpec, which: 'all' | 'live'): Files {
    const files = new Map<string, string>();
    for (const { name, mountPath, subPath } of container.volumeMounts ?? []) {
      const folder = this.folder(pod, name) ?? new Map<string, string>();
      if (subPath === undefined) for (const [path, text] of folder) files.set(`${mountPath.replace(/\/$/, '')}/${path}`, text);
      else if (which === 'all') files.set(mountPath, folder.get(subPath) ?? '');
    }
    return files;
  }

  environment(pod: PodResource, container: ContainerSpec, ip: string): ReadonlyMap<string, string> {
    const { name, namespace = '', uid = '' } = pod.metadata;
    const fields: Readonly<Record<string, string>> = {
      'metadata.name': name,
      'metadata.namespace': namespace,
      'metadata.uid': uid,
      'spec.serviceAccountName': pod.spec.serviceAccountName ?? 'default',
      'status.podIP': ip,
    };
    const valueOf = (variable: NonNullable<ContainerSpec['env']>[number]): string => {
      const { fieldRef, secretKeyRef, configMapKeyRef } = variable.valueFrom ?? {};
      if (fieldRef !== undefined) return fields[fieldRef.fieldPath] ?? '';
      if (secretKeyRef !== undefined) return this.data('secret', namespace, secretKeyRef.name)?.[secretKeyRef.key] ?? '';
      if (configMapKeyRef !== undefined) return this.data('configmap', namespace, configMapKeyRef.name)?.[configMapKeyRef.key] ?? '';
      return variable.value ?? '';
    };
    return new Map((container.env ?? []).map((variable) => [variable.name, valueOf(variable)]));
  }

  /** A volume's files; `undefined` for volumes that hold neither a Secret nor a ConfigMap. */
  private folder({ metadata, spec }: PodResource, volumeName: string): ReadonlyMap<string, string> | undefined {
    const volume = spec.volumes?.find(({ name }) => name === volumeName);
    const source = volume?.secret ?? volume?.configMap;
    const wanted = volume?.secret?.secretName ?? volume?.configMap?.name;
    if (source === undefined || wanted === undefined) return undefined;
    const data = this.data(volume?.secret === undefined ? 'configmap' : 'secret', metadata.namespace ?? '', wanted) ?? {};
    const items = source.items ?? Object.keys(data).map((key) => ({ key, path: key }));
    return new Map(items.map(({ key, path }) => [path, data[key] ?? '']));
  }

  private data(kind: 'secret' | 'configmap', namespace: string, name: string): Readonly<Record<string, string>> | undefined {
    if (kind === 'configmap') {
      const configMap = this.configMaps.get(`${namespace}/${name}`);
      return configMap && (configMap.data ?? {});
    }
    const secret = this.secrets.get(`${namespace}/${name}`);
    return (
      secret &&
      Object.fromEntries(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]))
    );
  }
}

function configError(message: string): Problem {
  return { reason: 'CreateContainerConfigError', message, event: `Error: ${message}` };
}
