// Steps side by side, such that nothing of them is still running when the first failure is told.
import { CancellationScope } from '@temporalio/workflow';

type Values<T extends readonly (() => Promise<unknown>)[]> = { -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> };

/**
 * Runs the tasks side by side and returns their values in order. When one fails, the others are cancelled and waited
 * for, and then the first failure is thrown: so undoing never meets a step that still runs.
 */
export async function together<const T extends readonly (() => Promise<unknown>)[]>(tasks: T): Promise<Values<T>> {
  const scope = new CancellationScope();
  return scope.run(async () => {
    const failures: unknown[] = [];
    const settled = await Promise.allSettled(
      tasks.map(async (task) => {
        try {
          return await task();
        } catch (error) {
          failures.push(error);
          scope.cancel();
          throw error;
        }
      }),
    );
    if (failures.length > 0) throw failures[0];
    return settled.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined)) as Values<T>;
  });
}
