// Pod specs and templates: the defaults and checks that Pods, Deployments, ReplicaSets and Jobs share.
// Source: kubernetes/kubernetes pkg/apis/core/v1/defaults.go and validation at v1.32.

import { isObject, objectAt, objectsAt, setDefaults, textAt, type JsonObject } from '../object';
import { duplicateValue, invalidValue, notFoundValue, required, unsupportedValue, type StatusCause } from '../status';
import { LABEL_PROBLEM, nameProblem } from '../validation';

/** Completes a pod spec in place. */
export function defaultPodSpec(spec: JsonObject): void {
  setDefaults(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
  });
  // The two names of the account mirror each other.
  const account = textAt(spec, 'serviceAccountName') || textAt(spec, 'serviceAccount');
  if (account !== '') Object.assign(spec, { serviceAccountName: account, serviceAccount: account });
  for (const volume of objectsAt(spec, 'volumes')) defaultVolume(volume);
  for (const list of ['initContainers', 'containers']) for (const container of objectsAt(spec, list)) defaultContainer(container);
}

function defaultVolume(volume: JsonObject): void {
  for (const source of ['secret', 'configMap', 'projected', 'downwardAPI']) {
    const value = volume[source];
    if (isObject(value)) setDefaults(value, { defaultMode: 420 });
  }
  if (Object.keys(volume).length === 1) volume['emptyDir'] = {};
}

function defaultContainer(container: JsonObject): void {
  const image = textAt(container, 'image');
  const isLatest = image.endsWith(':latest') || !/[:@][^/]+$/.test(image);
  setDefaults(container, {
    imagePullPolicy: isLatest ? 'Always' : 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    resources: {},
  });
  for (const port of objectsAt(container, 'ports')) setDefaults(port, { protocol: 'TCP' });
  for (const variable of objectsAt(container, 'env')) {
    const reference = objectAt(variable, 'valueFrom')['fieldRef'];
    if (isObject(reference)) setDefaults(reference, { apiVersion: 'v1' });
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name];
    if (!isObject(probe)) continue;
    setDefaults(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
    if (isObject(probe['httpGet'])) setDefaults(probe['httpGet'], { path: '/', scheme: 'HTTP' });
  }
}

/** What is wrong with a pod spec at `field`. */
export function validatePodSpec(spec: JsonObject, field: string): StatusCause[] {
  const containers = objectsAt(spec, 'containers');
  const causes = containers.length === 0 ? [required(`${field}.containers`)] : [];
  const volumes = new Set<string>();
  objectsAt(spec, 'volumes').forEach((volume, index) => {
    const name = textAt(volume, 'name');
    causes.push(...labelProblems(name, `${field}.volumes[${index}].name`));
    if (volumes.has(name)) causes.push(duplicateValue(`${field}.volumes[${index}].name`, name));
    volumes.add(name);
  });
  for (const list of ['initContainers', 'containers']) {
    const names = new Set<string>();
    objectsAt(spec, list).forEach((container, index) => {
      const name = textAt(container, 'name');
      if (names.has(name)) causes.push(duplicateValue(`${field}.${list}[${index}].name`, name));
      names.add(name);
      causes.push(...containerProblems(container, volumes, `${field}.${list}[${index}]`));
    });
  }
  const policy = textAt(spec, 'restartPolicy');
  if (!['Always', 'OnFailure', 'Never'].includes(policy)) {
    causes.push(unsupportedValue(`${field}.restartPolicy`, policy, ['Always', 'OnFailure', 'Never']));
  }
  return causes;
}

function labelProblems(name: string, field: string): StatusCause[] {
  if (name === '') return [required(field)];
  return nameProblem(name, 'label') === undefined ? [] : [invalidValue(field, name, LABEL_PROBLEM)];
}

function containerProblems(container: JsonObject, volumes: ReadonlySet<string>, field: string): StatusCause[] {
  const causes = labelProblems(textAt(container, 'name'), `${field}.name`);
  if (textAt(container, 'image') === '') causes.push(required(`${field}.image`));
  const policy = textAt(container, 'imagePullPolicy');
  if (!['Always', 'IfNotPresent', 'Never'].includes(policy)) {
    causes.push(unsupportedValue(`${field}.imagePullPolicy`, policy, ['Always', 'IfNotPresent', 'Never']));
  }
  objectsAt(container, 'ports').forEach((port, index) => {
    const number = port['containerPort'];
    if (typeof number !== 'number' || number < 1 || number > 65_535) {
      causes.push(invalidValue(`${field}.ports[${index}].containerPort`, number ?? 0, 'must be between 1 and 65535, inclusive'));
    }
  });
  const paths = new Set<string>();
  objectsAt(container, 'volumeMounts').forEach((mount, index) => {
    const name = textAt(mount, 'name');
    const path = textAt(mount, 'mountPath');
    if (!volumes.has(name)) causes.push(notFoundValue(`${field}.volumeMounts[${index}].name`, name));
    if (path === '') causes.push(required(`${field}.volumeMounts[${index}].mountPath`));
    if (paths.has(path)) causes.push(invalidValue(`${field}.volumeMounts[${index}].mountPath`, path, 'must be unique'));
    paths.add(path);
  });
  objectsAt(container, 'env').forEach((variable, index) => {
    if (textAt(variable, 'name') === '') causes.push(required(`${field}.env[${index}].name`));
  });
  return causes;
}
