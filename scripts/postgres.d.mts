export function findPostgres(): string | undefined
export function preparePostgres(): Promise<Record<string, string>>
