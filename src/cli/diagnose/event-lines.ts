// A run's history as lines for people: when, what, of which step, and why it failed.
import { isRecord } from '../../model/problems';

/** An event as Temporal's JSON has it. */
export type HistoryEvent = Readonly<Record<string, unknown>>;

/** One line an event: number, time, type, and what it is about. */
export function eventLines(events: readonly HistoryEvent[]): string[] {
  return events.map((event) => {
    const { activityId, activityType, workflowType, signalName, scheduledEventId, failure } = attributesOf(event);
    const about = [
      text(activityId),
      text(isRecord(activityType) ? activityType['name'] : undefined),
      text(isRecord(workflowType) ? workflowType['name'] : undefined),
      text(signalName),
      scheduledEventId === undefined ? '' : `of ${text(scheduledEventId)}`,
      failureText(failure) ?? '',
    ];
    const type = text(event['eventType']).replace(/^EVENT_TYPE_/, '');
    return [text(event['eventId']), text(event['eventTime']), type, ...about].filter((part) => part !== '').join(' ');
  });
}

/** Why the run ended, if it ended badly: the message of its last event's failure. */
export function lastFailure(events: readonly HistoryEvent[]): string | undefined {
  const { failure, reason } = attributesOf(events.at(-1) ?? {});
  return failureText(failure) ?? (text(reason) || undefined);
}

/** The one member that holds an event's details: `activityTaskFailedEventAttributes`, …. */
function attributesOf(event: HistoryEvent): Readonly<Record<string, unknown>> {
  const [, attributes] = Object.entries(event).find(([name]) => name.endsWith('EventAttributes')) ?? [];
  return isRecord(attributes) ? attributes : {};
}

/** What a failure and its causes say, each thing once. */
function failureText(failure: unknown): string | undefined {
  const messages: string[] = [];
  for (let at = failure; isRecord(at); at = at['cause']) {
    const message = text(at['message']);
    if (message !== 'Activity task failed' && !messages.includes(message)) messages.push(message);
  }
  return messages.length === 0 ? undefined : messages.join(': ');
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
