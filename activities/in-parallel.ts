// Work on many objects at once. Unlike Promise.all it never returns while something is still under way: a write that lands after its
// step has failed would meet the undoing of that very step.

/** Does `work` for every item at the same time, and returns or throws (the first failure) once all have ended. */
export async function inParallel<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const ended = await Promise.allSettled(items.map(work));
  return ended.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}
