/** Addresses of servers. Secrets stand in the environment, not in a configuration, which is kept with every run. */
import { QuernError, suggestion } from '../../core/errors.ts'

/**
 * An address with `${NAME}` replaced from the environment. Throws `config` for a password that is written out, and for a name
 * that is not set.
 */
export function filledAddress(
  address: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): URL {
  const scheme = address.slice(0, address.indexOf(':'))
  if (/^[a-z0-9]+:\/\/[^/@]*:(?!\$\{)[^/@]+@/i.test(address)) {
    throw new QuernError('config', `data.source: the address of ${scheme} holds a password`, {
      hint: `Write \${NAME} in its place, such as ${scheme}://user:\${DATABASE_PASSWORD}@host/name, and set DATABASE_PASSWORD in the environment.`,
    })
  }
  const filled = address.replaceAll(/\$\{([^}]*)\}/g, (_, name: string) => {
    const value = environment[name]
    if (value !== undefined && value !== '') return encodeURIComponent(value)
    const known = Object.keys(environment)
    const near = suggestion(name, known)
    throw new QuernError('config', `data.source: the environment has no ${name}`, {
      hint: near.length < 100 ? `Set it. ${near}` : 'Set it before the command: NAME=value quern train.',
    })
  })
  try {
    return new URL(filled)
  } catch (cause) {
    throw new QuernError('config', `data.source: ${address} is no address`, {
      hint: `Expected ${scheme}://user:\${PASSWORD}@host:port/name.`,
      cause,
    })
  }
}

/** The address as messages show it: without password and options. */
export function hiddenSecret({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname}`
}
