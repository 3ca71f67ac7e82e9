// Where a run is seen in Temporal's UI, as far as that can be known from here.

/** The UI's base URL: `SKYFABRIC_UI_URL`, Temporal Cloud's for its addresses, or a dev server's for its usual port. */
export function uiBase(address: string, env: NodeJS.ProcessEnv): string | undefined {
  if (env['SKYFABRIC_UI_URL']) return env['SKYFABRIC_UI_URL'].replace(/\/+$/, '');
  const host = address.replace(/:\d+$/, '');
  if (host.endsWith('.tmprl.cloud') || host.endsWith('.api.temporal.io')) return 'https://cloud.temporal.io';
  return /^(127\.0\.0\.1|localhost|\[::1\]):7233$/.test(address) ? 'http://127.0.0.1:8233' : undefined;
}

/** The page of a run. */
export function runUrl(base: string, namespace: string, workflowId: string, runId: string): string {
  return `${base}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}/${encodeURIComponent(runId)}`;
}
