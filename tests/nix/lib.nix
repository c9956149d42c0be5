# Of nixpkgs' lib what nix/lib.nix and nix/persist.nix ask for, where there is no nixpkgs; `make test-nix` has the real one.
rec {
  inherit (builtins)
    any
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elem
    filter
    head
    listToAttrs
    replaceStrings
    ;
  concatMapStrings = f: list: concatStringsSep "" (map f list);
  findFirst =
    wanted: otherwise: list:
    let
      found = filter wanted list;
    in
    if found == [ ] then otherwise else head found;
  flatten = value: if builtins.isList value then concatMap flatten value else [ value ];
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  imap0 = f: list: builtins.genList (index: f index (builtins.elemAt list index)) (builtins.length list);
  last = list: builtins.elemAt list (builtins.length list - 1);
  nameValuePair = name: value: { inherit name value; };
  optionals = wanted: list: if wanted then list else [ ];
  take = sublist 0;
  optional = wanted: value: if wanted then [ value ] else [ ];
  optionalString = wanted: text: if wanted then text else "";
  removePrefix =
    prefix: text:
    if hasPrefix prefix text then
      builtins.substring (builtins.stringLength prefix) (builtins.stringLength text) text
    else
      text;
  splitString = separator: text: filter builtins.isString (builtins.split "[${separator}]" text);
  sublist = start: count: list: builtins.genList (index: builtins.elemAt list (start + index)) count;
  toLower = builtins.replaceStrings (letters "ABCDEF") (letters "abcdef");
  letters = text: builtins.genList (index: builtins.substring index 1 text) (builtins.stringLength text);
}
