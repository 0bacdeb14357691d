/**
 * The PostgreSQL server that tests read tables from. They read QUERN_POSTGRES (the folder of `initdb` and `postgres`);
 * when that is not set and nothing is found they skip themselves with the reason in QUERN_NO_POSTGRES.
 */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findOrInstall, onPath } from './debian-program.mjs'

/** Debian keeps the server's programs away from the PATH, by version. */
const debianFolder = '/usr/lib/postgresql'

/** The folder of the server's programs, or undefined. */
export function findPostgres() {
  if (process.env.QUERN_POSTGRES) return process.env.QUERN_POSTGRES
  const versions = existsSync(debianFolder) ? readdirSync(debianFolder) : []
  const folders = versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((version) => join(debianFolder, version, 'bin'))
  const found = onPath(['initdb'], folders)
  return found && dirname(found)
}

/** Finds PostgreSQL, or installs Debian's where it may. Gives the environment variables for the tests. */
export async function preparePostgres() {
  const { found, why } = await findOrInstall('postgresql', ['postgresql'], findPostgres)
  if (found) return { QUERN_POSTGRES: found }
  console.log(`tests of PostgreSQL will be skipped: ${why}; install it, or set QUERN_POSTGRES to the folder of initdb`)
  return { QUERN_NO_POSTGRES: why }
}
