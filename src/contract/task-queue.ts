// Where Skyfabric's workers listen. A peer's own `taskQueue` sends that peer's activities elsewhere.

/** The task queue of the workflows and, unless a peer says otherwise, of the activities. */
export const TASK_QUEUE = 'skyfabric';
