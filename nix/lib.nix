# What the module works out, without NixOS: strings and sets in, strings and sets out.
{ lib }:

let
  inherit (lib)
    any
    concatMap
    concatMapStrings
    elem
    filter
    findFirst
    flatten
    hasPrefix
    head
    imap0
    last
    optional
    optionalString
    removePrefix
    splitString
    sublist
    ;
in
rec {
  # A message that is written over several lines.
  oneLine = text: lib.concatStringsSep " " (filter (word: builtins.isString word && word != "") (builtins.split "[ \n]+" text));

  # The words of mount options, which may be joined by commas.
  mountWords = options: concatMap (splitString ",") options;

  # The names of a path that is written with any number of slashes.
  names =
    path:
    filter (
      name:
      !elem name [
        ""
        "."
      ]
    ) (splitString "/" path);
  plain = path: lib.concatStringsSep "/" (names path);

  # The value of an option such as subvol= as a path from the top level, or null.
  subvolumeOf =
    options:
    let
      found = filter (hasPrefix "subvol=") (mountWords options);
    in
    if found == [ ] then null else plain (removePrefix "subvol=" (last found));

  # The path below /dev that udev gives to a device named by a tag.
  devicePath =
    device:
    let
      tags = {
        "UUID=" = value: "/dev/disk/by-uuid/${lib.toLower value}";
        "PARTUUID=" = value: "/dev/disk/by-partuuid/${lib.toLower value}";
        "LABEL=" = value: "/dev/disk/by-label/${value}";
        "PARTLABEL=" = value: "/dev/disk/by-partlabel/${value}";
      };
      tag = findFirst (tag: hasPrefix tag device) null (lib.attrNames tags);
    in
    if tag == null then device else tags.${tag} (removePrefix tag device);

  # Why the record cannot hold a value, or null: it takes these characters as they are.
  pathFault =
    path:
    let
      parts = splitString "/" path;
    in
    if path == "" then
      "it is empty"
    else if builtins.match "[A-Za-z0-9@_+:,=./-]+" path == null then
      "only letters, digits and @ _ + : , = . - can be in it"
    else if any (part: elem part [ "" "." ".." ]) parts || hasPrefix "-" path then
      "it is no plain path from the top level"
    else if head parts == ".impermanence" then
      "that is the state directory"
    else
      null;

  # A mode of chmod(1) that sets all bits, in octal as tmpfiles.d(5) has it, or null for another one.
  octal =
    mode:
    let
      clauses = map (builtins.match "([ugoa]+)=([rwx]*)") (splitString "," mode);
      has = letter: text: builtins.length (splitString letter text) > 1;
      bit =
        letters: letter: value:
        if has letter letters then value else 0;
      digit =
        who:
        let
          meant = filter (clause: has who (head clause) || has "a" (head clause)) clauses;
          letters = if meant == [ ] then "" else last (last meant);
        in
        toString (bit letters "r" 4 + bit letters "w" 2 + bit letters "x" 1);
    in
    if builtins.match "[0-7]{3,4}" mode != null then
      mode
    else if any (clause: clause == null) clauses then
      null
    else
      "0${digit "u"}${digit "g"}${digit "o"}";

  nameFault =
    name:
    if builtins.match "[A-Za-z0-9_@][A-Za-z0-9._@-]{0,63}" name == null then
      "only letters, digits and . _ @ - can be in it, and it begins with none of . and -"
    else
      null;

  deviceFault =
    device: if hasPrefix "/dev/" device then pathFault (removePrefix "/" device) else "it is no path below /dev";

  uuidFault =
    uuid:
    if builtins.match "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}" uuid == null then
      "it is no UUID in lower case"
    else
      null;

  requireFault =
    path:
    if !hasPrefix "/" path || builtins.match "[ -$&-~]*" path == null || elem ".." (splitString "/" path) then
      "it is no absolute path of plain characters"
    else
      null;

  within = path: directory: path == directory || hasPrefix "${directory}/" path;

  # Each way in which these volumes cannot be switched, in words.
  layoutFaults =
    archive: volumes:
    let
      earlier = imap0 (index: volume: {
        inherit volume;
        others = sublist 0 index volumes;
      }) volumes;
      between = one: other: within one other || within other one;
      pairs = concatMap (
        { volume, others }:
        concatMap (
          other:
          optional (volume.name == other.name) "two volumes are named ${volume.name}"
          ++ optional (
            volume.mountpoint == other.mountpoint
          ) "volume ${other.name} and volume ${volume.name} have the same mountpoint, ${volume.mountpoint}"
          ++ optional (between volume.subvolume other.subvolume) "volume ${volume.name} and volume ${other.name} lie in one another"
        ) others
      ) earlier;
      archived = concatMap (
        volume: optional (between archive volume.subvolume) "the archive and volume ${volume.name} lie in one another"
      ) volumes;
      blanks = concatMap (
        volume:
        concatMap (
          other:
          optional (
            other.blank != null && within other.blank volume.subvolume
          ) "the blank of ${other.name} lies in volume ${volume.name}"
        ) volumes
      ) volumes;
    in
    optional (volumes == [ ]) "there is no volume" ++ pairs ++ archived ++ blanks;

  # rollback.env, as the program of the initrd reads it.
  record =
    {
      device,
      archive,
      wipe,
      onFailure,
      onMissingBlank,
      volumes,
    }:
    let
      line = key: value: "${key}=${value}\n";
    in
    line "VERSION" "1"
    + line "DEVICE" device
    + line "ARCHIVE" archive
    + line "WIPE" (if wipe then "yes" else "no")
    + line "ON_FAILURE" onFailure
    + line "ON_MISSING_BLANK" onMissingBlank
    + concatMapStrings (
      volume:
      line "VOLUME" volume.name
      + line "SUBVOLUME" volume.subvolume
      + line "BLANK" (if volume.blank == null then "" else volume.blank)
      + optionalString (volume.blankUuid != null) (line "BLANK_UUID" volume.blankUuid)
      + concatMapStrings (line "REQUIRE") volume.require
    ) volumes;

  # The tables of the configuration that the record is made of, too.
  configured =
    {
      archive,
      wipe,
      onFailure,
      onMissingBlank,
      volumes,
      ...
    }:
    {
      volume = map (volume: {
        inherit (volume) name mountpoint subvolume;
        blank = if volume.blank == null then "" else volume.blank;
      }) volumes;
      archive.directory = archive;
      rollback = {
        inherit wipe;
        on-failure = onFailure;
        on-missing-blank = onMissingBlank;
        require = flatten (map (volume: if volume.mountpoint == "/" then volume.require else [ ]) volumes);
      };
    };
}
