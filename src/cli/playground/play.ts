// From the curtain to its fall: sets the stage, plays the show, stays up if wanted, and clears everything away.
import { EXIT, type CliContext } from '../context';
import { oneLine } from '../../errors/plain-text';
import { span } from '../table';
import { castOf } from './cast';
import { Narrator } from './narrator';
import { Show } from './show';
import { setStage, type Stage } from './stage';
import { tryNext } from './try-next';

export interface PlayOptions {
  /** How many peers the fabric has; within PEER_COUNT. */
  readonly peerCount: number;
  /** Ends after the show. */
  readonly once: boolean;
}

/** Somebody pressed Ctrl-C. */
class Interrupted extends Error {}

/**
 * Plays the show. It judges itself: the exit code is `failed` when anything was not as expected, `interrupted` when the
 * show did not come to its end.
 * @throws unavailable when no Temporal CLI can be had, and whatever else keeps the stage from being set
 */
export async function play(context: CliContext, { peerCount, once }: PlayOptions): Promise<void> {
  const { stdout, stderr, env, cwd } = context;
  const narrator = new Narrator(context);
  const cast = castOf(peerCount);
  const stop = new AbortController();
  const forget = context.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], () => stop.abort(new Interrupted()));
  const began = Date.now();
  let stage: Stage | undefined;
  try {
    narrator.write(
      narrator.paint('bold', 'Skyfabric playground: the clusters are simulated.'),
      'Their API servers, nodes and gateways live in this process, on loopback. Real are the workflows and their worker, Temporal,',
      'the certificates, and every byte of traffic, through TCP and mutual TLS.',
      '',
    );
    stage = await setStage({
      cast,
      env,
      cwd,
      signal: stop.signal,
      onProgress: (text) => narrator.say(narrator.paint('dim', `${oneLine(text)} …`)),
      log: (line) => {
        if (!stop.signal.aborted) stderr.write(`${oneLine(line)}\n`);
      },
    });
    stage.ended.catch((error: unknown) => stop.abort(error));
    narrator.say(
      `Ready after ${span(Date.now() - began)}. Temporal UI: ${stage.uiUrl}`,
      `Kubeconfig of the simulated clusters: ${stage.clusters.kubeconfigPath}`,
    );
    await new Show(stage, cast, narrator, stop.signal).play();
    narrator.say(
      `The whole show took ${span(Date.now() - began)}.`,
      ...narrator.unmet.map((text) => narrator.paint('red', `Not as it should be: ${text}`)),
    );
    context.exitCode = narrator.unmet.length === 0 ? EXIT.done : EXIT.failed;
    if (once) return;
    narrator.part('Your turn', ...(await tryNext(stage, cast)));
    await endOf(stop.signal);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    context.exitCode = EXIT.interrupted;
  } finally {
    stdout.write('\nCleaning up …\n');
    await stage?.close();
    forget();
  }
}

/** Resolves with Ctrl-C. @throws what else ends the playground */
async function endOf(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  if (!(signal.reason instanceof Interrupted)) throw signal.reason;
}
