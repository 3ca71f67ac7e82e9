// Deployments, ReplicaSets, Jobs and Pods: defaults, checks, and what may not change.
// Source: kubernetes/kubernetes pkg/apis/{apps,batch,core} and pkg/registry/batch/job at v1.32.

import { isObject, isSameJson, objectAt, objectsAt, setDefaults, textAt, valueAt, type JsonObject, type KubeObject } from '../object';
import { forbidden, forbiddenValue, invalidValue, required, unsupportedValue, type StatusCause } from '../status';
import type { KindRules } from './kind-rules';
import { defaultPodSpec, validatePodSpec } from './pod-spec';

/** A member of an object, made when it is missing, so that it can be completed in place. */
function ensureObject(parent: JsonObject, member: string): JsonObject {
  const value = parent[member];
  const made = isObject(value) ? value : {};
  parent[member] = made;
  return made;
}

function defaultTemplate(object: KubeObject): JsonObject {
  const spec = ensureObject(object, 'spec');
  const template = ensureObject(spec, 'template');
  ensureObject(template, 'metadata');
  defaultPodSpec(ensureObject(template, 'spec'));
  return spec;
}

function immutable(object: KubeObject, previous: KubeObject | undefined, ...path: string[]): StatusCause[] {
  if (previous === undefined || isSameJson(valueAt(object, ...path), valueAt(previous, ...path))) return [];
  return [invalidValue(path.join('.'), valueAt(object, ...path) ?? null, 'field is immutable')];
}

function selectorProblems(object: KubeObject): StatusCause[] {
  const wanted = Object.entries(objectAt(object, 'spec', 'selector', 'matchLabels'));
  const labels = objectAt(object, 'spec', 'template', 'metadata', 'labels');
  if (valueAt(object, 'spec', 'selector') === undefined) return [required('spec.selector')];
  if (wanted.length === 0 && objectsAt(object, 'spec', 'selector', 'matchExpressions').length === 0) {
    return [invalidValue('spec.selector', objectAt(object, 'spec', 'selector'), 'empty selector is invalid for deployment')];
  }
  if (wanted.every(([key, value]) => labels[key] === value)) return [];
  return [invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')];
}

function replicasProblems(object: KubeObject): StatusCause[] {
  const replicas = valueAt(object, 'spec', 'replicas');
  const isCount = typeof replicas === 'number' && Number.isInteger(replicas) && replicas >= 0;
  return isCount ? [] : [invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0')];
}

function replicatedProblems(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const template = objectAt(object, 'spec', 'template', 'spec');
  const policy = textAt(template, 'restartPolicy');
  return [
    ...replicasProblems(object),
    ...selectorProblems(object),
    ...validatePodSpec(template, 'spec.template.spec'),
    ...(policy === 'Always' ? [] : [unsupportedValue('spec.template.spec.restartPolicy', policy, ['Always'])]),
    ...immutable(object, previous, 'spec', 'selector'),
  ];
}

export const deploymentRules: KindRules = {
  prepare(object) {
    const spec = defaultTemplate(object);
    setDefaults(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600, strategy: {} });
    const strategy = ensureObject(spec, 'strategy');
    setDefaults(strategy, { type: 'RollingUpdate' });
    if (strategy['type'] === 'RollingUpdate')
      setDefaults(ensureObject(strategy, 'rollingUpdate'), { maxUnavailable: '25%', maxSurge: '25%' });
  },
  validate: replicatedProblems,
};

export const replicaSetRules: KindRules = {
  prepare: (object) => setDefaults(defaultTemplate(object), { replicas: 1 }),
  validate: replicatedProblems,
  initialStatus: () => ({ replicas: 0 }),
};

export const jobRules: KindRules = {
  prepare(job, previous) {
    const spec = ensureObject(job, 'spec');
    const template = ensureObject(spec, 'template');
    const podSpec = ensureObject(template, 'spec');
    // Unlike elsewhere the restart policy must be chosen: the general default would hide that it is missing.
    const chosen = podSpec['restartPolicy'];
    defaultPodSpec(podSpec);
    if (chosen === undefined) delete podSpec['restartPolicy'];
    setDefaults(spec, {
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      manualSelector: false,
    });
    setDefaults(spec, { podReplacementPolicy: 'TerminatingOrFailed' });
    if (spec['manualSelector'] === true || previous !== undefined) return;
    const { uid, name } = job.metadata;
    const owned = {
      'batch.kubernetes.io/controller-uid': uid,
      'batch.kubernetes.io/job-name': name,
      'controller-uid': uid,
      'job-name': name,
    };
    Object.assign(ensureObject(ensureObject(template, 'metadata'), 'labels'), owned);
    spec['selector'] = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
    delete spec['manualSelector'];
  },
  validate(job, previous) {
    const template = objectAt(job, 'spec', 'template', 'spec');
    const policy = textAt(template, 'restartPolicy');
    const policyProblems =
      policy === ''
        ? [required('spec.template.spec.restartPolicy', 'valid values: "OnFailure", "Never"')]
        : policy === 'Always'
          ? [unsupportedValue('spec.template.spec.restartPolicy', policy, ['OnFailure', 'Never'])]
          : validatePodSpec(template, 'spec.template.spec');
    return [
      ...policyProblems,
      ...immutable(job, previous, 'spec', 'completions'),
      ...immutable(job, previous, 'spec', 'selector'),
      ...immutable(job, previous, 'spec', 'template'),
    ];
  },
};

// Of a pod's spec only these may change after its creation.
const MUTABLE_POD_FIELDS = ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds'];

export const podRules: KindRules = {
  admit(pod, previous, { store }, type) {
    if (previous !== undefined) return;
    const spec = ensureObject(pod, 'spec');
    const account = textAt(spec, 'serviceAccountName') || 'default';
    const namespace = pod.metadata.namespace ?? '';
    spec['serviceAccountName'] = account;
    if (store.get({ group: '', plural: 'serviceaccounts' }, namespace, account) !== undefined) return;
    const why = `error looking up service account ${namespace}/${account}: serviceaccount "${account}" not found`;
    throw forbidden(type, pod.metadata.name, why);
  },
  prepare: (pod) => {
    const spec = ensureObject(pod, 'spec');
    defaultPodSpec(spec);
    setDefaults(spec, { enableServiceLinks: true, preemptionPolicy: 'PreemptLowerPriority', priority: 0 });
  },
  initialStatus: () => ({ phase: 'Pending', qosClass: 'BestEffort' }),
  validate(pod, previous) {
    const causes = validatePodSpec(objectAt(pod, 'spec'), 'spec');
    if (previous !== undefined && !isSameJson(fixedPart(pod), fixedPart(previous))) {
      const mutable =
        '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';
      causes.push(forbiddenValue('spec', `pod updates may not change fields other than ${mutable}`));
    }
    return causes;
  },
};

function fixedPart(pod: KubeObject): JsonObject {
  const spec = Object.fromEntries(Object.entries(objectAt(pod, 'spec')).filter(([member]) => !MUTABLE_POD_FIELDS.includes(member)));
  for (const list of ['containers', 'initContainers']) {
    if (Array.isArray(spec[list])) spec[list] = objectsAt(spec, list).map(({ image: _image, ...container }) => container);
  }
  return spec;
}
