/** Reads the source files: what each imports, which names of the outside world it uses. Knows no rule. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))

export interface Import {
  readonly line: number
  /** what the source says: './graph.ts', 'zod' */
  readonly specifier: string
  /** path inside the repository when the specifier is relative */
  readonly target: string | undefined
  /** gone at run time: `import type`, `export type` */
  readonly typeOnly: boolean
}

/** A use of a global or of a member of one: `console`, `Date.now`. */
export interface Use {
  readonly line: number
  readonly name: string
}

export interface SourceFile {
  /** path from the root of the repository, with '/' */
  readonly path: string
  readonly lines: number
  readonly imports: readonly Import[]
  readonly uses: readonly Use[]
}

/** Paths of all files below a folder of the repository whose name ends in `suffix`, sorted. */
export function filesBelow(folder: string, suffix: string): string[] {
  let names: string[]
  try {
    names = readdirSync(join(root, folder), { recursive: true }) as string[]
  } catch {
    return []
  }
  return names
    .filter((name) => name.endsWith(suffix))
    .map((name) => `${folder}/${name.split(sep).join('/')}`)
    .sort()
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Parses one file. `globals` are the names to report: 'console', or 'Date.now' for a member. */
export function scanFile(path: string, globals: ReadonlySet<string>, text: string = readText(path)): SourceFile {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const imports: Import[] = []
  const uses: Use[] = []
  const declared = new Set<string>()
  const lineOf = (node: ts.Node) => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1

  const addImport = (node: ts.Node, specifier: ts.Expression | undefined, typeOnly: boolean) => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return
    const name = specifier.text
    const target = name.startsWith('.')
      ? relative(root, join(root, dirname(path), name))
          .split(sep)
          .join('/')
      : undefined
    imports.push({ line: lineOf(node), specifier: name, target, typeOnly })
  }

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      addImport(node, node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword)
    } else if (ts.isExportDeclaration(node)) {
      addImport(node, node.moduleSpecifier, node.isTypeOnly)
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      addImport(node, node.argument.literal as ts.LiteralExpression, true)
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      addImport(node, node.arguments[0], false)
    } else if (ts.isIdentifier(node)) {
      if (declares(node)) declared.add(node.text)
      const used = usedName(node)
      for (const name of used) if (globals.has(name)) uses.push({ line: lineOf(node), name })
    } else if (ts.isNewExpression(node) && node.expression.getText(source) === 'Date' && !node.arguments?.length) {
      uses.push({ line: lineOf(node), name: 'Date.now' })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  // A parameter or an import that is itself called `process` is not the global.
  const own = uses.filter(({ name }) => !declared.has(name.split('.')[0]!))
  return { path, lines: text.trimEnd().split('\n').length, imports, uses: own }
}

/** Whether an identifier is the name that its parent brings into being. */
function declares(node: ts.Identifier): boolean {
  const { parent } = node
  const named =
    ts.isVariableDeclaration(parent) ||
    ts.isParameter(parent) ||
    ts.isBindingElement(parent) ||
    ts.isFunctionDeclaration(parent) ||
    ts.isClassDeclaration(parent) ||
    ts.isImportSpecifier(parent) ||
    ts.isImportClause(parent) ||
    ts.isNamespaceImport(parent)
  return named && parent.name === node
}

/** The names that an identifier stands for when it is read: itself, and with the member that is taken from it. */
function usedName(node: ts.Identifier): string[] {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) {
    if (parent.expression === node) return [node.text, `${node.text}.${parent.name.text}`]
    // globalThis.console
    return parent.expression.getText() === 'globalThis' ? [node.text] : []
  }
  const isLabel =
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent)) &&
    parent.name === node
  const isType = ts.isTypeReferenceNode(parent) || ts.isQualifiedName(parent)
  return isLabel || isType || ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent) ? [] : [node.text]
}
