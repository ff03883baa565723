# shellcheck shell=bash disable=SC2154
# A release on this machine: fetched by its digest, unpacked, and with what the image has for it. To be sourced after machine.sh.

# In a release that was built: what it has in the place of what the recipe made.
built=.landfall-built
made=()

# fetch_verified KEY SHA256 FILE: the object of the artifact bucket, refused unless its bytes have this digest.
fetch_verified() {
  local key=$1 sha256=$2 file=$3 found
  if [[ -f $file ]] && has_digest "$file" "$sha256"; then return 0; fi
  rm -f "$file"
  "${aws[@]}" s3 cp --only-show-errors "s3://$LANDFALL_ARTIFACTS/$key" "$file" || return
  if ! has_digest "$file" "$sha256"; then
    found=$(sha256sum <"$file")
    rm -f "$file"
    log "s3://$LANDFALL_ARTIFACTS/$key has the digest ${found%% *}, not $sha256: it is not used" >&2
    return 1
  fi
}

has_digest() { [[ $(sha256sum <"$1") == "$2  -" ]]; }

# place_release: makes the release's folder anew from its archive each time, so that what a boot starts is what was released.
place_release() {
  local archive=$releases/$LANDFALL_RELEASE.tar.gz making=$releases/.$LANDFALL_RELEASE folder=$releases/$LANDFALL_RELEASE
  mkdir -p "$releases"
  rm -rf "$making"
  fetch_verified "$LANDFALL_RELEASE_KEY" "$LANDFALL_RELEASE_SHA256" "$archive" || return
  mkdir -m 755 "$making"
  tar -xzf "$archive" -C "$making" --no-same-owner --no-same-permissions || return
  place_image link_entry "$making" "$image" "" || return
  rm -f "$making/$built"
  chmod -R go-w "$making"
  rm -rf "$folder"
  mv "$making" "$folder"
  ln -sfn "releases/$LANDFALL_RELEASE" "$current"
}

# place_image ACT RELEASE IMAGE BELOW: what the recipe made, by `link_entry` or `copy_entry`; descends only into folders that held files of
# the recipe. What a build has changed of it is in the release already, and named there.
place_image() {
  local act=$1 release=$2 from=$3 below=$4 entry path recipe_file
  local -a recipe=() entries=()
  mapfile -t recipe <"$from/../recipe-files"
  mapfile -d '' entries < <(find "$from/$below" -mindepth 1 -maxdepth 1 -printf '%f\0' | LC_ALL=C sort -z)
  for entry in "${entries[@]}"; do
    path=$below$entry
    for recipe_file in "${recipe[@]}"; do
      [[ $path == "$recipe_file" ]] && continue 2
      if [[ $recipe_file == "$path"/* ]]; then
        place_image "$act" "$release" "$from" "$path/" || return
        continue 2
      fi
    done
    ! grep -qxF -- "$path" "$release/$built" 2>/dev/null || continue
    if [[ -e $release/$path || -L $release/$path ]]; then
      log "\"$path\" was made by the recipe's steps and is also in the release: only one of them can stand there" >&2
      return 1
    fi
    mkdir -p "$(dirname "$release/$path")"
    "$act" "$release" "$from" "$path" || return
  done
}

# Nobody but root can write into the image, and an instance has one release: what it starts with stays as it is.
link_entry() { ln -s "${2#"$root"}/$3" "$1/$3"; }

# For a build, whose tools write into their dependencies, and ask for the real paths of files. What holds the place where it was made, as the
# programs of a Python venv do, is told the new one.
copy_entry() {
  local file
  cp -a --reflink=auto "$2/$3" "$1/$3" || return
  while IFS= read -r -d '' file; do
    sed -i "s|${2#"$root"}|${1#"$root"}|g" "$file" || return
  done < <(grep -rlIZF -- "${2#"$root"}" "$1/$3")
  made+=("$3")
}

# keep_changed RELEASE MARK: of what was copied, only what has changed since MARK stays in the release.
keep_changed() {
  local path
  for path in "${made[@]}"; do
    if [[ ! -e $1/$path && ! -L $1/$path || -n $(find "$1/$path" -cnewer "$2" -print -quit) ]]; then
      log "$path" >>"$1/$built"
    else
      rm -rf "${1:?}/$path"
    fi
  done
}
