"""The interface on the bus.  systemd/dbus/org.impermanence.Manager1.xml has the same text, for readers of
files.
"""

from __future__ import annotations

from typing import Final

BUS_NAME: Final = "org.impermanence.Manager1"
OBJECT_PATH: Final = "/org/impermanence/Manager1"
INTERFACE: Final = "org.impermanence.Manager1"

XML: Final = """\
<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node name="/org/impermanence/Manager1">
  <interface name="org.impermanence.Manager1">
    <!-- Long answers are JSON in a file, to be read from its start.  Paths in it are escaped as in
         `impermanence --json`; a report is the document of `impermanence status`.
         Root sees everything, another user the entries that belong to them and the sums of the others. -->
    <method name="Status">
      <arg name="report" type="h" direction="out"/>
    </method>
    <!-- As root sees it, for who has the authorization org.impermanence.status-all. -->
    <method name="StatusAll">
      <arg name="report" type="h" direction="out"/>
    </method>
    <!-- `entry`: what became of the path, or null; `subvolume`: the entry of the nested subvolume that it
         goes with, or null; `below`: how many entries are below it. -->
    <method name="Explain">
      <arg name="path" type="ay" direction="in"/>
      <arg name="explanation" type="h" direction="out"/>
    </method>
    <!-- The document of `impermanence boots`; what would have to be asked of the journal is null. -->
    <method name="Boots">
      <arg name="boots" type="h" direction="out"/>
    </method>
    <!-- `action`: wipe, keep, boot or cancel; `number`: of keep for how many boots, of boot the number of
         the boot (-1 is the previous one), else 0.  `words` say what the next boot does now.
         Needs the authorization org.impermanence.next. -->
    <method name="Next">
      <arg name="action" type="s" direction="in"/>
      <arg name="number" type="i" direction="in"/>
      <arg name="words" type="s" direction="out"/>
    </method>
    <!-- Compare everything, and announce what was not announced yet; `undeclared` is how many paths there
         are.  Needs the authorization org.impermanence.rescan. -->
    <method name="Rescan">
      <arg name="undeclared" type="t" direction="out"/>
    </method>
    <!-- From now on the caller gets the signal News, as long as it is connected; the `last` ones before that
         are the answer. -->
    <method name="Follow">
      <arg name="last" type="u" direction="in"/>
      <arg name="news" type="as" direction="out"/>
    </method>
    <property name="Version" type="s" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>
    </property>
    <!-- The file that was asked for at the start, whether it exists or not. -->
    <property name="ConfigFile" type="ay" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>
    </property>
    <!-- Microseconds since 1970, from when on writers are known; 0: they are not. -->
    <property name="WatchingSince" type="t" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    <!-- Times that the kernel dropped events since then. -->
    <property name="Overflows" type="t" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    <!-- "fanotify", or "watchdog": writers are not known. -->
    <property name="Source" type="s" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    <!-- Something undeclared was written.  `path` is the directory where `count` is more than one.
         It goes to root alone. -->
    <signal name="Crud">
      <arg name="path" type="ay"/>
      <arg name="verdict" type="s"/>
      <arg name="unit" type="s"/>
      <arg name="bytes" type="t"/>
      <arg name="count" type="t"/>
    </signal>
    <!-- Before a shutdown: what the next boot takes away, and the paths of the worst.  To root alone. -->
    <signal name="Leaving">
      <arg name="count" type="t"/>
      <arg name="bytes" type="t"/>
      <arg name="worst" type="aay"/>
    </signal>
    <!-- What is undeclared has come to a level of the configuration: "notice", "warning" or "critical".
         To root alone. -->
    <signal name="Level">
      <arg name="level" type="s"/>
      <arg name="bytes" type="t"/>
      <arg name="count" type="t"/>
    </signal>
    <!-- To each caller of Follow: to root what is announced, to another user what belongs to them.  `event`
         is an object of `impermanence watch` as JSON. -->
    <signal name="News">
      <arg name="event" type="s"/>
    </signal>
  </interface>
</node>
"""
