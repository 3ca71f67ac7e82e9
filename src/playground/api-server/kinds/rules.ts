// The table of built-in kinds that have rules of their own.

import type { ResourceType } from '../resources';
import {
  configMapRules,
  endpointSliceRules,
  eventRules,
  leaseRules,
  namespaceRules,
  roleBindingRules,
  roleRules,
  secretRules,
} from './core';
import { definitionRules } from './definition';
import type { KindRules } from './kind-rules';
import { serviceRules } from './service';
import { deploymentRules, jobRules, podRules, replicaSetRules } from './workloads';

const RULES: Readonly<Record<string, KindRules>> = {
  Namespace: namespaceRules,
  Secret: secretRules,
  ConfigMap: configMapRules,
  Event: eventRules,
  Service: serviceRules,
  Pod: podRules,
  Deployment: deploymentRules,
  ReplicaSet: replicaSetRules,
  Job: jobRules,
  Lease: leaseRules,
  EndpointSlice: endpointSliceRules,
  Role: roleRules,
  ClusterRole: roleRules,
  RoleBinding: roleBindingRules,
  ClusterRoleBinding: roleBindingRules,
  CustomResourceDefinition: definitionRules,
};

/** The rules of a kind; a custom resource has none besides its schema, whatever its kind is called. */
export function rulesOf(type: ResourceType): KindRules {
  return (type.schema === undefined ? RULES[type.kind] : undefined) ?? {};
}
