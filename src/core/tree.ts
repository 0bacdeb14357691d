/** Named trees: parameters, gradients and states are nested records with values at the leaves. */

export type Tree<T> = { readonly [name: string]: T | Tree<T> }

/** Leaves in the order of the records, each with its path joined by '/'. */
export function flattenTree<T>(tree: Tree<T>, isLeaf: (x: T | Tree<T>) => x is T, prefix = ''): [path: string, leaf: T][] {
  return Object.entries(tree).flatMap(([name, child]): [string, T][] => {
    const path = prefix === '' ? name : `${prefix}/${name}`
    return isLeaf(child) ? [[path, child]] : flattenTree(child, isLeaf, path)
  })
}

/** A tree of the same form with every leaf replaced. */
export function mapTree<T, U>(
  tree: Tree<T>,
  isLeaf: (x: T | Tree<T>) => x is T,
  convert: (leaf: T, path: string) => U,
  prefix = '',
): Tree<U> {
  return Object.fromEntries(
    Object.entries(tree).map(([name, child]) => {
      const path = prefix === '' ? name : `${prefix}/${name}`
      return [name, isLeaf(child) ? convert(child, path) : mapTree(child, isLeaf, convert, path)]
    }),
  )
}
