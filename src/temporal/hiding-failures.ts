// The failure converter that goes with the codec (the SDK's `dataConverter.failureConverterPath`): messages and stack traces become a
// payload, which the codec encrypts; what stays in plain is "Encoded failure" and the failure's type. Part of the workflow bundle.
import { DefaultFailureConverter } from '@temporalio/common';

/** The SDK looks for this name. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
