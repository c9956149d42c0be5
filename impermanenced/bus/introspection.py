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
         Root sees everything; another user sees that user's own entries, and the sums of the others. -->
    <method name="Status">
      <arg name="report" type="h" direction="out"/>
    </method>
    <!-- The report as root sees it, for callers with the authorization org.impermanence.status-all. -->
    <method name="StatusAll">
      <arg name="report" type="h" direction="out"/>
    </method>
    <!-- `entry` is the entry of the path, or null; `subvolume` is the entry of the nested subvolume that the
         path lies in, or null; `below` is the number of entries below the path. -->
    <method name="Explain">
      <arg name="path" type="ay" direction="in"/>
      <arg name="explanation" type="h" direction="out"/>
    </method>
    <!-- The document of `impermanence boots`; values that only the journal knows are null. -->
    <method name="Boots">
      <arg name="boots" type="h" direction="out"/>
    </method>
    <!-- The state of each declaration, as in `impermanence status` with its option persist: root gets all,
         another user those of that user's files. -->
    <method name="Declarations">
      <arg name="declarations" type="h" direction="out"/>
    </method>
    <!-- `action` is wipe, keep, boot or cancel.  `number` is the number of boots for keep, the number of the
         boot for boot (-1 is the previous one), and 0 otherwise.  `words` say what the next boot does now.
         Needs the authorization org.impermanence.next. -->
    <method name="Next">
      <arg name="action" type="s" direction="in"/>
      <arg name="number" type="i" direction="in"/>
      <arg name="words" type="s" direction="out"/>
    </method>
    <!-- Compare everything, and announce what was not announced yet; `undeclared` is the number of
         undeclared paths.  Needs the authorization org.impermanence.rescan. -->
    <method name="Rescan">
      <arg name="undeclared" type="t" direction="out"/>
    </method>
    <!-- Send the caller the signal News from now on, as long as it is connected; the answer is the `last`
         news before that. -->
    <method name="Follow">
      <arg name="last" type="u" direction="in"/>
      <arg name="news" type="as" direction="out"/>
    </method>
    <property name="Version" type="s" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>
    </property>
    <!-- The configuration file that the daemon was started with, whether it exists or not. -->
    <property name="ConfigFile" type="ay" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>
    </property>
    <!-- The time since which writers are known, in microseconds since 1970; 0: they are not known. -->
    <property name="WatchingSince" type="t" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    <!-- How often the kernel has dropped events since then. -->
    <property name="Overflows" type="t" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    <!-- "fanotify", or "watchdog", with which writers are not known. -->
    <property name="Source" type="s" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    <!-- The report that is being made: when it was begun, in microseconds since 1970, and the processor time
         that it has taken so far, in microseconds; (0, 0) while none is made.  A caller of Status, StatusAll,
         Explain or Rescan may wait as long as this changes. -->
    <property name="Progress" type="(tt)" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    <!-- Something undeclared was written.  If `count` is more than one, `path` is the directory of all.
         A `unit` of a user's manager has `user:` before its name, one of a container `container:`.
         The signal goes to root alone. -->
    <signal name="Crud">
      <arg name="path" type="ay"/>
      <arg name="verdict" type="s"/>
      <arg name="unit" type="s"/>
      <arg name="bytes" type="t"/>
      <arg name="count" type="t"/>
    </signal>
    <!-- Sent before a shutdown: what the next boot takes away, and the paths of the worst losses.  The signal
         goes to root alone. -->
    <signal name="Leaving">
      <arg name="count" type="t"/>
      <arg name="bytes" type="t"/>
      <arg name="worst" type="aay"/>
    </signal>
    <!-- Undeclared data has reached a level of the configuration: "notice", "warning" or "critical".
         The signal goes to root alone. -->
    <signal name="Level">
      <arg name="level" type="s"/>
      <arg name="bytes" type="t"/>
      <arg name="count" type="t"/>
    </signal>
    <!-- A declaration does not hold, or holds again; `state` and `reason` are words of Declarations, and
         `why` is for people.  The signal goes to root alone. -->
    <signal name="Declaration">
      <arg name="path" type="ay"/>
      <arg name="state" type="s"/>
      <arg name="reason" type="s"/>
      <arg name="why" type="s"/>
    </signal>
    <!-- Sent to each caller of Follow: root gets everything that is announced, another user what belongs to
         that user.  `event` is an object of `impermanence watch` as JSON. -->
    <signal name="News">
      <arg name="event" type="s"/>
    </signal>
  </interface>
</node>
"""
