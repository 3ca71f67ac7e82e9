// The validating functions through which every name from a user passes before it reaches a file path, a Kubernetes
// object or a certificate. The schemas of requests.ts are built from the same rules, so a name is judged in one way only.
import { z } from 'zod';
import { FabricError } from '../errors/fabric-error';

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SERVICE_NAME = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const HOST_LABEL = /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/;
const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

/** RFC 1123 label: 1–63 of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit. */
export const dnsLabel = z
  .string()
  .min(1, 'must not be empty')
  .max(63, 'must be at most 63 characters')
  .regex(DNS_LABEL, 'must consist of a-z, 0-9 and "-", and begin and end with a letter or digit');

/** RFC 1035 label, as Kubernetes asks of Services: like a DNS label, but beginning with a letter. */
export const serviceName = dnsLabel.regex(SERVICE_NAME, 'must begin with a letter, as Service names do');

/** A Service with its namespace, as `demo/echo`. */
export const qualifiedService = z
  .string()
  .refine(
    (text) =>
      /^[^/]+\/[^/]+$/.test(text) && text.split('/').every((part, index) => [dnsLabel, serviceName][index]?.safeParse(part).success),
    'must be NAMESPACE/NAME, as in "demo/echo"',
  );

/** A TCP port, 1–65535. */
export const port = z.int('must be a whole number').min(1, 'must be 1–65535').max(65535, 'must be 1–65535');

/** An IPv4 or IPv6 address, or a DNS name whose last label is not all digits. */
export const host = z.string().refine(isHost, 'must be a DNS name or an IP address');

/** A Kubernetes label key: an optional DNS prefix and `/`, then 1–63 of `A-Za-z0-9._-`. */
export const labelKey = z
  .string()
  .regex(/^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, 'must be a Kubernetes label key');

/** A Kubernetes label value: at most 63 of `A-Za-z0-9._-`, or empty. */
export const labelValue = z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, 'must be a Kubernetes label value');

/**
 * Returns the value when it is a DNS label.
 * @param what names the value in the message, as `fabric` or `peer`.
 * @throws FabricError `invalid`
 */
export function requireDnsLabel(value: string, what: string): string {
  const parsed = dnsLabel.safeParse(value);
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map((issue) => issue.message).join('; ');
  throw new FabricError({
    code: 'invalid',
    message: `${what} ${JSON.stringify(value.slice(0, 80))} ${reasons}`,
    hint: `Choose a ${what} name such as "west-1".`,
  });
}

function isHost(value: string): boolean {
  if (value.length === 0 || value.length > 253) return false;
  if (IPV4.test(value) || isIpv6(value)) return true;
  const labels = value.replace(/\.$/, '').split('.');
  const last = labels.at(-1) ?? '';
  return !/^\d+$/.test(last) && labels.every((label) => label.length <= 63 && HOST_LABEL.test(label));
}

function isIpv6(value: string): boolean {
  return z.ipv6().safeParse(value).success;
}
