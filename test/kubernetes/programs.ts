// Where the programs of a Kubernetes cluster come from: a directory that $KUBEBUILDER_ASSETS names, or our own Go module, built
// once into the user's cache.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The programs of a cluster without nodes. */
const PROGRAMS = ['etcd', 'kube-apiserver', 'kube-controller-manager'] as const;
type ProgramName = (typeof PROGRAMS)[number];

/** How each program is called: the command and its first arguments. */
export type Programs = Readonly<Record<ProgramName, readonly [command: string, ...args: string[]]>>;

/**
 * Finds the programs, or builds them (about five minutes on two cores from nothing, seconds after that).
 * @throws Error when `$KUBEBUILDER_ASSETS` lacks one, or there is no Go to build them with
 */
export async function findPrograms(onProgress: (text: string) => void): Promise<Programs> {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets !== undefined && assets !== '') return programsIn(assets);
  const binary = await builtBinary(onProgress);
  return {
    etcd: [binary, 'etcd'],
    'kube-apiserver': [binary, 'kube-apiserver'],
    'kube-controller-manager': [binary, 'kube-controller-manager'],
  };
}

function programsIn(directory: string): Programs {
  const missing = PROGRAMS.filter((program) => !isExecutable(join(directory, program)));
  if (missing.length > 0) {
    throw new Error(
      `$KUBEBUILDER_ASSETS is ${directory}, which has no ${missing.join(', ')}. setup-envtest brings etcd and kube-apiserver; ` +
        'kube-controller-manager is in the Kubernetes server release of the same version. Put it there, or unset the variable to build all three.',
    );
  }
  return {
    etcd: [join(directory, 'etcd')],
    'kube-apiserver': [join(directory, 'kube-apiserver')],
    'kube-controller-manager': [join(directory, 'kube-controller-manager')],
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const SOURCES = ['main.go', 'go.mod', 'go.sum'];

async function builtBinary(onProgress: (text: string) => void): Promise<string> {
  const digest = createHash('sha256');
  for (const source of SOURCES) digest.update(await readFile(join(__dirname, source)));
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'skyfabric');
  const path = join(cache, `testcluster-${digest.digest('hex').slice(0, 16)}`);
  if (existsSync(path)) return path;
  onProgress("Building Kubernetes' API server for the tests: about 5 minutes the first time, none after that");
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, 'build-'));
  try {
    await goBuild(join(directory, 'testcluster'));
    // In one step: parallel runs never see half a file.
    await rename(join(directory, 'testcluster'), path);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return path;
}

async function goBuild(output: string): Promise<void> {
  const args = ['build', '-trimpath', '-ldflags=-s -w', '-o', output, '.'];
  const child = spawn('go', args, { cwd: __dirname, env: { ...process.env, CGO_ENABLED: '0' }, stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-4_000)));
  await new Promise<void>((resolve, reject) => {
    child.once('error', () =>
      reject(
        new Error(
          'The tests on a real Kubernetes API server need Go 1.24 or later to build it, or $KUBEBUILDER_ASSETS with etcd, kube-apiserver and ' +
            'kube-controller-manager. Everything else runs without: npx jest --selectProjects simulated.',
        ),
      ),
    );
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`go ${args.join(' ')} in test/kubernetes failed:\n${complaint}`)),
    );
  });
}
