import { emptyRegister, type Register, type RegisteredConnection } from '../../src/contract/register';
import { wantedProofs } from '../../workflows/wanted-proofs';

const connection = (name: string, imports: RegisteredConnection['imports']): RegisteredConnection =>
  ({ id: `connection-${name}`, service: { name, namespace: 'demo', port: 80 }, imports }) as RegisteredConnection;

const register: Register = {
  ...emptyRegister('f'),
  links: [
    { a: 'east', b: 'south' },
    { a: 'east', b: 'west' },
    { a: 'north', b: 'west' },
  ],
  connections: [connection('echo', { east: ['south', 'west'], north: ['west'] }), connection('mail', { west: ['east'] })],
};

function wanted(request: Parameters<typeof wantedProofs>[1]): { imports: string[]; directions: string[]; peers: readonly string[] } {
  const { imports, directions, peers } = wantedProofs(register, request);
  return {
    imports: imports.map(({ connection: { service }, importer }) => `${service.name} on ${importer}`),
    directions: directions.map(({ from, to }) => `${from} ${to}`),
    peers,
  };
}

test('without anything asked for it is every import, and every link both ways', () => {
  expect(wanted({})).toEqual({
    imports: ['echo on east', 'echo on north', 'mail on west'],
    directions: ['east south', 'south east', 'east west', 'west east', 'north west', 'west north'],
    peers: ['east', 'north', 'south', 'west'],
  });
});

test('peers limit it to what they have part in', () => {
  expect(wanted({ peers: ['north'] })).toEqual({
    imports: ['echo on north'],
    directions: ['north west', 'west north'],
    peers: ['north', 'west'],
  });
  expect(wanted({ peers: ['south'] })).toEqual({
    imports: ['echo on east'],
    directions: ['east south', 'south east'],
    peers: ['east', 'south'],
  });
});

test('connections limit it to themselves and the links that they go over', () => {
  expect(wanted({ connections: ['demo/mail'] })).toEqual({
    imports: ['mail on west'],
    directions: ['east west', 'west east'],
    peers: ['east', 'west'],
  });
  expect(wanted({ connections: ['demo/echo'], peers: ['north'] }).directions).toEqual(['north west', 'west north']);
});

test('a connection that there is not is told with those that there are', () => {
  expect(() => wanted({ connections: ['demo/echo', 'demo/post'] })).toThrow(
    'fabric f connects no demo/post; connected are demo/echo, demo/mail',
  );
});

test('more than one run can hold is refused', () => {
  const links = Array.from({ length: 101 }, (_, index) => ({ a: 'hub', b: `spoke-${index}` }));
  expect(() => wantedProofs({ ...emptyRegister('f'), links }, {})).toThrow('101 links are too many for one run');
  expect(wantedProofs({ ...emptyRegister('f'), links }, { peers: ['spoke-7'] }).directions).toHaveLength(2);
});
