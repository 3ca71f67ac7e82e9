// What is told of a Temporal server that does not answer an activity's question.
import { ServiceError } from '@temporalio/client';
import { unanswered } from '../../activities/ask-temporal';

const refused = (code: number, details: string): ServiceError =>
  new ServiceError('Failed to query Workflow', {
    cause: Object.assign(new Error(details), { code, details, metadata: {} }),
  });

test.each([
  [3, 'blob size exceeds limit', 'invalid'],
  [7, 'not authorized', 'forbidden'],
  [16, 'the API key has expired', 'forbidden'],
  [14, 'no connection', 'unavailable'],
])('gRPC status %d (%s) is told as %s, in the words of the server', (code, details, expected) => {
  expect(unanswered('The register of fabric f', 'guard/f', refused(code, details))).toMatchObject({
    code: expected,
    message: `The register of fabric f does not answer: ${details}`,
  });
});

test('a failed query is told with its reason', () => {
  expect(unanswered('The register of fabric f', 'guard/f', new Error('no key abc in the codec'))).toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('no key abc in the codec') as unknown,
    hint: expect.stringContaining('--workflow-id guard/f') as unknown,
  });
});
