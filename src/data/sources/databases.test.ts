import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { noPostgres, type PostgresServer, startPostgres } from '../../../test/postgres-server.ts'
import { collected, readAll } from '../../../test/read-tables.ts'
import { openTable, type TableOptions } from './open-table.ts'
import { readTableRows } from './table-rows.ts'

const count = 10_000

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-databases-'))
  const database = new DatabaseSync(join(root, 'shop.db'))
  database.exec('CREATE TABLE sales (id INTEGER, "the day" TEXT, price, shop TEXT); CREATE TABLE other (a); BEGIN')
  const insert = database.prepare('INSERT INTO sales VALUES (?, ?, ?, ?)')
  for (let i = 0; i < count; i++)
    insert.run(i, '2024-01-31', i % 10 === 3 ? null : i / 4, i % 2 === 0 ? 'Bern' : 'Chur')
  database.exec("COMMIT; INSERT INTO other VALUES (x'00ff')")
  database.close()
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('an SQLite file', () => {
  const address = 'sqlite:shop.db'

  it('gives a table in the order of the file', async () => {
    const found = await readAll(address, { root, table: 'sales' })
    expect(found.kinds).toEqual({ id: 'number', 'the day': 'date', price: 'number', shop: 'category' })
    expect(found.schema.rows).toBe(count)
    expect(found.cells('id').slice(-2)).toEqual(['9998', '9999'])
    expect(found.cells('price').slice(2, 5)).toEqual(['0.5', undefined, '1'])
    expect(found.schema.columns.map(({ missing }) => missing)).toEqual([0, 0, count / 10, 0])
    expect(found.digest).toMatch(/^[0-9a-f]{64}$/)
  })

  it('answers a query, and rows to predict for', async () => {
    const query = 'SELECT shop, avg(price) AS mean FROM sales GROUP BY shop ORDER BY shop;'
    const rows = await collected(readTableRows(address, { root, query }))
    expect(rows).toEqual([
      { name: 'shop.db row 1', row: { shop: 'Bern', mean: '1249.75' } },
      { name: 'shop.db row 2', row: { shop: 'Chur', mean: '1250.125' } },
    ])
  })

  it.each([
    ['no table', {}, /shop\.db has 2 tables/],
    ['a table that is not there', { table: 'sale' }, /has no table 'sale'\. Did you mean 'sales'/],
    ['both', { table: 'sales', query: 'SELECT 1' }, /data\.table and data\.query are both given/],
    ['SQL that is none', { query: 'SELEC 1' }, /shop\.db, after row 0 of SELEC 1: .*syntax error/],
    ['a name twice', { query: 'SELECT 1 AS a, 2 AS A' }, /answers two columns of the name 'A'/],
    ['bytes', { table: 'other' }, /shop\.db row 1: column 'a' holds bytes/],
    ['no rows', { query: 'SELECT * FROM sales WHERE id < 0' }, /shop\.db has no rows/],
    ['a write', { query: 'DELETE FROM sales RETURNING id' }, /readonly database/],
  ])('with %s is refused', async (_, options, message) => {
    await expect(readAll(address, { root, ...options })).rejects.toThrow(message)
  })

  it('that is none, or missing, is refused', async () => {
    await expect(openTable('sqlite:shp.db', { root })).rejects.toThrow(/does not exist/)
    await expect(readAll('shop.db', { root })).rejects.toThrow(/the ending does not say/)
  })
})

describe('addresses', () => {
  it.each([
    ['postgres://me:secret@host/db', /the address of postgres holds a password/],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an address as users write it
    ['postgres://me:${PASSWRD}@host/db', /the environment has no PASSWRD/],
    ['mysql://host/db', /nothing reads 'mysql:' addresses/],
  ])('%s is refused', async (address, message) => {
    await expect(openTable(address, { root, environment: { PASSWORD: 'x' } })).rejects.toThrow(message)
  })
})

describe.skipIf(noPostgres !== undefined)(`a PostgreSQL server${noPostgres ? ` (skipped: ${noPostgres})` : ''}`, () => {
  let server: PostgresServer
  let options: TableOptions
  let client: postgres.Sql
  beforeAll(async () => {
    server = await startPostgres()
    options = { root, environment: server.environment }
    client = postgres(server.url, { max: 1, onnotice: () => undefined })
    await client.unsafe(`
      CREATE TABLE people (id bigint, name text, "when" timestamptz, born date, rich boolean, worth numeric, near float8[], tags text[], raw bytea);
      INSERT INTO people SELECT i, CASE WHEN i % 5 = 0 THEN NULL ELSE 'p"' || i % 3 END, '2024-03-31 02:30:00+02'::timestamptz + i * interval '1 day',
        '1969-12-31', i % 2 = 0, i / 8.0, ARRAY[i, 0.5], ARRAY['a b', 'c,"d"'], '\\x00' FROM generate_series(1, ${count}) AS i ORDER BY i`)
  }, 60_000)
  afterAll(async () => {
    await client?.end({ timeout: 1 }).catch(() => undefined)
    await server?.stop()
  })

  it('gives a table with the types of its columns', async () => {
    const found = await readAll(server.address, { ...options, table: 'people' })
    expect(found.kinds).toEqual({
      ...{ id: 'number', name: 'category', when: 'date', born: 'date', rich: 'boolean', worth: 'number' },
      ...{ near: 'vector', tags: 'set' },
    })
    expect(found.schema.unusable.map(({ name }) => name)).toEqual(['raw'])
    expect(found.schema.rows).toBe(count)
    const last = Object.fromEntries(Object.keys(found.kinds).map((name) => [name, found.cells(name)[count - 2]]))
    expect(last).toEqual({
      ...{ id: '9999', name: 'p"0', born: '1969-12-31T00:00:00.000Z', rich: 'false', worth: '1249.875' },
      ...{ when: new Date(Date.UTC(2024, 2, 31, 0, 30) + 9999 * 86_400_000).toISOString() },
      ...{ near: '[9999,0.5]', tags: JSON.stringify(['a b', 'c,"d"']) },
    })
    expect(found.cells('name')[count - 1]).toBeUndefined()
  })

  it('reads one state of the data, whatever others write', async () => {
    const source = await openTable(server.address, { ...options, query: 'SELECT id FROM people' })
    expect((await source.schema()).rows).toBe(count)
    await client.unsafe('INSERT INTO people (id) VALUES (0)')
    const chunks = await collected(source.read())
    expect(chunks.reduce((sum, { rows }) => sum + rows, 0)).toBe(count)
    await source.release()
    await client.unsafe('DELETE FROM people WHERE id = 0')
  })

  it.each([
    [
      'a query that is none',
      { query: 'SELECT nothing FROM people' },
      /refuses the query: SELECT nothing FROM people \(column "nothing" does not exist\)/,
    ],
    ['a write', { query: 'DELETE FROM people RETURNING id' }, /read-only transaction/],
    ['a table that is not there', { table: 'peple' }, /has no table 'peple'\. Did you mean 'people'/],
  ])('refuses %s', async (_, more, message) => {
    await expect(readAll(server.address, { ...options, ...more })).rejects.toThrow(message)
  })

  it('refuses a wrong password without saying the right one', async () => {
    const wrong = readAll(server.address, { ...options, environment: { QUERN_TEST_PASSWORD: 'wrong' } })
    await expect(wrong).rejects.toThrow(/does not answer: password authentication failed/)
  })

  it('that goes away in the middle is an error with query and row', async () => {
    // The first rows come at once, the others slowly.
    const query =
      'SELECT i, CASE WHEN i > 9000 THEN pg_sleep(0.002)::text END AS s FROM generate_series(1, 1000000) AS i'
    const reading = readAll(server.address, { ...options, query })
    const ended = reading.catch((error: unknown) => error)
    // It sleeps within the third batch: two have been taken.
    for (let found = 0; found === 0; ) {
      const [row] = await client`SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep'`
      found = Number(row!.n)
    }
    await server.crash()
    expect(String(await ended)).toMatch(
      /127\.0\.0\.1:\d+\/postgres went away after row 8192 of the query: SELECT i, CASE/,
    )
    await expect(readAll(server.address, { ...options, query })).rejects.toThrow(
      /does not answer: connect ECONNREFUSED/,
    )
  }, 60_000)
})
