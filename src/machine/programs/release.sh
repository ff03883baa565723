# shellcheck shell=bash disable=SC2154
# A release on this machine: fetched by its digest, unpacked, and the image linked into it. To be sourced after machine.sh.

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
  link_image "$making" "$image" "" || return
  chmod -R go-w "$making"
  rm -rf "$folder"
  mv "$making" "$folder"
  ln -sfn "releases/$LANDFALL_RELEASE" "$current"
}

# link_image RELEASE IMAGE BELOW: links what the recipe made, and descends only into folders that held files of the recipe.
link_image() {
  local release=$1 from=$2 below=$3 entry path recipe_file
  local -a recipe=() entries=()
  mapfile -t recipe <"$from/../recipe-files"
  mapfile -d '' entries < <(find "$from/$below" -mindepth 1 -maxdepth 1 -printf '%f\0' | LC_ALL=C sort -z)
  for entry in "${entries[@]}"; do
    path=$below$entry
    for recipe_file in "${recipe[@]}"; do
      [[ $path == "$recipe_file" ]] && continue 2
      if [[ $recipe_file == "$path"/* ]]; then
        link_image "$release" "$from" "$path/" || return
        continue 2
      fi
    done
    if [[ -e $release/$path || -L $release/$path ]]; then
      log "\"$path\" was made by the recipe's steps and is also in the release: only one of them can stand there" >&2
      return 1
    fi
    mkdir -p "$(dirname "$release/$path")"
    ln -s "${from#"$root"}/$path" "$release/$path"
  done
}
