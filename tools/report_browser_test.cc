// Opens report pages in Chromium, and compares what they show with their JSON.

#include <unistd.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;

constexpr char kChromium[] = "/usr/bin/chromium";

// Comes before everything else in the page.
constexpr char kListen[] = R"html(<script>
const problems = [];
addEventListener("error", (e) => problems.push("error: " + e.message), true);
addEventListener("unhandledrejection",
                 (e) => problems.push("rejection: " + e.reason));
addEventListener("securitypolicyviolation",
                 (e) => problems.push("policy: " + e.blockedURI));
for (const level of ["error", "warn"]) {
  console[level] = (...words) => problems.push(level + ": " + words.join(" "));
}
</script>)html";

// Comes after everything else; hands what it found to the next page, behind
// what that of the pages before did, or puts all of it into the last one.
constexpr char kProbe[] = R"html(<script>
addEventListener("load", () => setTimeout(() => {
const figures = JSON.parse(document.getElementById("figures").textContent);
const checked = {};
const count = (what) => checked[what] = (checked[what] || 0) + 1;
const at = (path) => path.split(".").reduce((value, key) => value[key], figures);
const same = (what, shown, value, tolerance) => {
  count(what);
  if (!(Math.abs(shown - value) <= tolerance)) {
    problems.push(`differs: ${what}: ${shown} shown, ${value} in the JSON`);
  }
};
const ask = (what, good) => {
  count(what);
  if (!good) problems.push("wrong: " + what);
};

for (const figure of document.querySelectorAll("[data-json]")) {
  const text = figure.textContent.replace(/\s/g, "");
  const digits = (text.split(".")[1] || "").length;
  same("figure " + figure.dataset.json.replace(/[0-9]+/g, "N"), Number(text),
       at(figure.dataset.json) * Number(figure.dataset.scale || 1),
       0.5001 * 10 ** -digits);
}
for (const map of document.querySelectorAll(".heat")) {
  const rows = figures[map.id].load_over_mean;
  const cells = [...map.querySelectorAll("rect")];
  ask("cells", cells.length === rows.length * rows[0].length);
  cells.forEach((cell, i) => {
    const value = rows[Math.floor(i / rows[0].length)][i % rows[0].length];
    same("cell", Number(cell.textContent.split(": ")[1]), value, 0.00051);
  });
}
for (const tile of document.querySelectorAll(".tiles dd")) {
  ask("figure of a tile", tile.querySelector("[data-json]"));
}
const chart = document.getElementById("balancedness");
for (const [line, name] of [["with", "balancedness"],
                            ["without", "balancedness_without"]]) {
  const path = chart.querySelector(".line." + line);
  ask("line " + line, Boolean(path) === Boolean(figures[name]));
  if (!path) continue;
  const points = path.getAttribute("d").split(/[ML]/).slice(1);
  const values = figures[name].filter((value) => value > 0);
  ask("points", points.length === values.length);
  const bottom = Number(chart.dataset.bottom), top = Number(chart.dataset.top);
  points.forEach((point, i) => {
    const y = parseFloat(point.split(",")[1]);
    same("point", (bottom - y) / (bottom - top), values[i], 0.0001);
  });
}
ask("marks",
    chart.querySelectorAll(".head").length === figures.rearrangements.length);

// Reading values with the keyboard and with the pointer.
const readout = (picture) =>
    picture.parentElement.querySelector(".readout").textContent;
const press = (picture, key) => picture.dispatchEvent(
    new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
ask("chart takes the focus", chart.tabIndex === 0);
press(chart, "Home");
press(chart, "ArrowRight");
ask("chart reads its values", readout(chart).startsWith(
    `${figures.step_name} ${figures.steps[1]}: ` +
    figures.balancedness[1].toFixed(4)));
press(chart, "End");
ask("chart reads its end", readout(chart).includes(
    " " + figures.steps[figures.steps.length - 1] + ": "));
const map = [...document.querySelectorAll(".heat")].pop();
press(map, "Home");
press(map, "ArrowDown");
ask("map reads the next layer", readout(map).startsWith("layer 1, rank 0: "));
press(map, "End");
press(map, "ArrowDown");
ask("map stays inside", map.querySelectorAll(".at").length === 1);
const cell = map.querySelectorAll("rect")[2];
cell.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
ask("map reads under the pointer",
    readout(map).startsWith(cell.textContent));

// What screen readers need.
ask("language", document.documentElement.lang === "en");
ask("one h1", document.querySelectorAll("h1").length === 1);
for (const picture of document.querySelectorAll("svg:not([aria-hidden])")) {
  // What takes keys must not be an image, whose keys screen readers keep.
  const role = picture.tabIndex === 0 ? "application" : "img";
  ask("role of a picture", picture.getAttribute("role") === role);
  ask("name of a picture", picture.getAttribute("aria-label").length > 20);
  if (role === "img") continue;
  const keys = picture.getAttribute("aria-describedby");
  ask("kind of a picture", picture.getAttribute("aria-roledescription"));
  ask("keys of a picture", document.getElementById(keys).checkVisibility());
}
for (const region of document.querySelectorAll(".scroll")) {
  ask("region that scrolls", region.tabIndex === 0 &&
      region.getAttribute("role") === "region" &&
      region.getAttribute("aria-label").length > 5);
}
for (const head of document.querySelectorAll("th")) {
  ask("scope of a heading", head.scope === "col" || head.scope === "row");
}

// What eyes need: the contrast of text on its background.
const light = (color) => {
  const [r, g, b] = color.match(/[0-9.]+/g).map((part) => {
    const c = Number(part) / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const back = light(getComputedStyle(
    document.querySelector("section")).backgroundColor);
const contrast = (color) => {
  const text = light(color);
  return (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
};
for (const selector of ["section h2", "figcaption", "td", "caption"]) {
  const element = document.querySelector(selector);
  if (!element) continue;
  ask("contrast of " + selector,
      contrast(getComputedStyle(element).color) >= 4.5);
}
for (const line of document.querySelectorAll(".chart .line")) {
  ask("contrast of a line", contrast(getComputedStyle(line).stroke) >= 3);
}
ask("no resources", performance.getEntriesByType("resource").length === 0);

const found = location.hash.slice(1) + "," +
    btoa(unescape(encodeURIComponent(JSON.stringify(
        {problems, checked, dark: back < 0.5}))));
const next = "NEXT_PAGE";
if (next) {
  location.href = next + "#" + found;
} else {
  const result = document.createElement("pre");
  result.id = "probe";
  result.textContent = found;
  document.body.append(result);
}
}));
</script>)html";

// The report's own script is the last one of a page.
std::string WithoutScript(std::string page) {
  const size_t script = page.rfind("<script>");
  return page.erase(script, page.rfind("</script>") - script);
}

class ReportBrowserTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!IsInstalled()) return;
    folder_ = std::make_unique<TemporaryFolder>();
    const std::string dump =
        PageOf({"report", "--input=testing/data/small_expert_load.jsonl"},
               "--output=");
    simulation_ =
        PageOf({"simulate", "--trace=testing/data/gptoss20b_domain_counts.npy",
                "--ranks=4,8", "--redundant=0,8", "--interval=20"},
               "--report=");
    const std::string path = "data-json=\"rearrangements.1.moved_slots\">";
    found_ = Probe({
        {"dump", dump},
        {"simulation", simulation_},
        {"run", RunPage({})},
        {"run_in_background", RunPage({"--async"})},
        {"without_script", WithoutScript(dump)},
        {"wrong_figure", absl::StrReplaceAll(dump, {{path, path + "9"}})},
        {"wrong_cell", absl::StrReplaceAll(dump, {{"layer 1, rank 2: ",
                                                   "layer 1, rank 2: 7"}})},
        {"errors",
         absl::StrReplaceAll(
             dump, {{"</h1>",
                     "</h1><img alt=\"\" src=\"http://localhost:9/x.png\">"
                     "<script>throw new Error(\"on purpose\");</script>"}})},
    });
  }
  static void TearDownTestSuite() { folder_ = nullptr; }

  void SetUp() override {
    if (!IsInstalled()) GTEST_SKIP() << "no chromium here";
  }

  static bool IsInstalled() { return access(kChromium, X_OK) == 0; }

  static std::string PageOf(std::vector<std::string> words, const char* flag) {
    words.insert(words.begin(), "tools/eplb");
    words.push_back(absl::StrCat(flag, folder_->PathOf("page.html")));
    EXPECT_EQ(RunProcess(words).exit_status, 0);
    return folder_->Read("page.html");
  }
  static std::string RunPage(const std::vector<std::string>& flags) {
    std::vector<std::string> words = {"run", "--ranks=4", "--steps=60",
                                      "--interval=20", "--window=20"};
    words.insert(words.end(), flags.begin(), flags.end());
    return PageOf(words, "--report=");
  }

  static ProgramResult Open(const std::string& path,
                            const std::vector<std::string>& settings) {
    std::vector<std::string> words = {
        "/usr/bin/timeout", "--kill-after=5", "120", kChromium, "--headless",
        // A sandbox cannot be had inside of another.
        "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--enable-logging=stderr", "--virtual-time-budget=10000",
        "--user-data-dir=" + folder_->PathOf("profile")};
    words.insert(words.end(), settings.begin(), settings.end());
    words.push_back("file://" + path);
    return RunProcess(words,
                      {.environment = {"HOME=" + folder_->path(),
                                       "XDG_RUNTIME_DIR=" + folder_->path()}});
  }

  // How many sheets of paper the page takes.
  static int Sheets(const std::string& page) {
    const ProgramResult result =
        Open(folder_->Write("printed.html", page),
             {"--no-pdf-header-footer",
              "--print-to-pdf=" + folder_->PathOf("page.pdf")});
    const std::string pdf = folder_->Read("page.pdf");
    EXPECT_TRUE(absl::StartsWith(pdf, "%PDF")) << result.standard_error;
    int sheets = 0;
    constexpr char kSheet[] = "/Type /Page\n";
    for (size_t at = pdf.find(kSheet); at != std::string::npos;
         at = pdf.find(kSheet, at + 1)) {
      ++sheets;
    }
    return sheets;
  }

  struct NamedPage {
    std::string name;
    std::string text;
  };

  // What the probe found in each of the pages, by name. One browser opens them
  // one after the other, for it takes seconds to start.
  static std::map<std::string, Json> Probe(
      const std::vector<NamedPage>& pages,
      const std::vector<std::string>& settings = {}) {
    std::string next;
    std::string first;
    for (size_t i = pages.size(); i-- > 0;) {
      const std::string probe =
          absl::StrReplaceAll(kProbe, {{"NEXT_PAGE", next}});
      next = pages[i].name + ".html";
      first = folder_->Write(
          next,
          absl::StrReplaceAll(pages[i].text,
                              {{"<head>", absl::StrCat("<head>", kListen)},
                               {"</body>", absl::StrCat(probe, "</body>")}}));
    }
    std::vector<std::string> words = {"--dump-dom"};
    words.insert(words.end(), settings.begin(), settings.end());
    const ProgramResult result = Open(first, words);
    const std::vector<std::string> texts =
        absl::StrSplit(ProbeText(result), ',', absl::SkipEmpty());
    EXPECT_EQ(texts.size(), pages.size())
        << "the probe did not come to its end; status " << result.exit_status
        << ", " << result.standard_error;
    std::map<std::string, Json> found;
    for (size_t i = 0; i < pages.size(); ++i) {
      Json& json = found[pages[i].name];
      json = {{"problems", Json::array({"the probe said nothing"})},
              {"checked", Json::object()}};
      std::string text;
      if (i < texts.size() && absl::Base64Unescape(texts[i], &text)) {
        json = Json::parse(text);
      }
      for (const std::string& line : ConsoleOf(pages[i].name, result)) {
        json["problems"].push_back("console: " + line);
      }
    }
    return found;
  }

  // What the probe put into the last page.
  static std::string ProbeText(const ProgramResult& result) {
    const std::string& dom = result.standard_output;
    const std::string start = "<pre id=\"probe\">";
    const size_t begin = dom.find(start);
    if (begin == std::string::npos) return "";
    const size_t from = begin + start.size();
    return dom.substr(from, dom.find("</pre>", from) - from);
  }

  // What the browser said of the page, or of none of the folder's.
  static std::vector<std::string> ConsoleOf(const std::string& name,
                                            const ProgramResult& result) {
    std::vector<std::string> lines;
    for (absl::string_view line : absl::StrSplit(result.standard_error, '\n')) {
      if (absl::StrContains(line, "CONSOLE") &&
          (absl::StrContains(line, absl::StrCat("/", name, ".html")) ||
           !absl::StrContains(line, folder_->path()))) {
        lines.emplace_back(line);
      }
    }
    return lines;
  }

  static const Json& Found(const char* name) { return found_.at(name); }

  inline static std::unique_ptr<TemporaryFolder> folder_;
  inline static std::string simulation_;
  inline static std::map<std::string, Json> found_;
};

std::vector<std::string> Problems(const Json& found) {
  return found["problems"].get<std::vector<std::string>>();
}

TEST_F(ReportBrowserTest, APageOfADumpShowsTheFiguresOfItsJson) {
  const Json& found = Found("dump");
  EXPECT_THAT(Problems(found), IsEmpty());
  EXPECT_EQ(found["checked"]["cell"], 2 * 4 * 4);
  EXPECT_EQ(found["checked"]["point"], 30);
  EXPECT_EQ(found["checked"]["figure rearrangements.N.moved_slots"], 2);
  EXPECT_EQ(found["dark"], false);
}

TEST_F(ReportBrowserTest, APageOfASimulationShowsTheFiguresOfItsJson) {
  const Json& found = Found("simulation");
  EXPECT_THAT(Problems(found), IsEmpty());
  EXPECT_EQ(found["checked"]["cell"], 2 * 24 * 4);
  EXPECT_EQ(found["checked"]["point"], 2 * 286);
  EXPECT_EQ(found["checked"]["figure variants.N.balancedness"], 4);
  EXPECT_EQ(found["checked"]["figure rearrangements.N.plan_seconds"], 15);
}

TEST_F(ReportBrowserTest, APageOfARunShowsTheFiguresOfItsJson) {
  const Json& found = Found("run");
  EXPECT_THAT(Problems(found), IsEmpty());
  const Json& checked = found["checked"];
  EXPECT_EQ(checked["cell"], 2 * 4 * 4);
  EXPECT_EQ(checked["point"], 60);
  EXPECT_EQ(checked["figure of a tile"], 8);
  for (const char* const figure :
       {"rearrangements", "moved_slots", "moved_bytes", "mean_plan_seconds",
        "longest_stall_seconds", "total_stall_seconds"}) {
    EXPECT_EQ(checked[absl::StrCat("figure totals.", figure)], 1) << figure;
  }
  EXPECT_EQ(checked["figure rearrangements.N.moved_bytes"], 3);
  EXPECT_EQ(checked["figure rearrangements.N.plan_seconds"], 3);
  EXPECT_EQ(checked["figure rearrangements.N.stall_seconds"], 3);
}

TEST_F(ReportBrowserTest, APageOfARunInTheBackgroundHasStallsToo) {
  const Json& found = Found("run_in_background");
  EXPECT_THAT(Problems(found), IsEmpty());
  EXPECT_EQ(found["checked"]["figure totals.longest_stall_seconds"], 1);
  EXPECT_EQ(found["checked"]["figure totals.total_stall_seconds"], 1);
}

TEST_F(ReportBrowserTest, PaperShowsWhatIsFoldedAlsoWithoutScripts) {
  const std::string without_script = WithoutScript(simulation_);
  const int sheets = Sheets(simulation_);
  EXPECT_EQ(Sheets(without_script), sheets);
  // Neither the style nor the script unfolds anything here.
  EXPECT_LT(Sheets(absl::StrReplaceAll(without_script,
                                       {{"details::details-content", "x"}})),
            sheets);
}

TEST_F(ReportBrowserTest, FollowsTheReadersChoiceOfDark) {
  const Json found = Probe({{"dark", simulation_}},
                           {"--blink-settings=preferredColorScheme=0"})["dark"];
  EXPECT_THAT(Problems(found), IsEmpty());
  EXPECT_EQ(found["dark"], true);
}

TEST_F(ReportBrowserTest, SaysEverythingWithoutScripts) {
  // The figures and pictures are still there.
  const std::vector<std::string> problems = Problems(Found("without_script"));
  EXPECT_THAT(problems, Contains(HasSubstr("chart takes the focus")));
  EXPECT_THAT(problems, Not(Contains(HasSubstr("differs"))));
  EXPECT_THAT(problems, Not(Contains(HasSubstr("cells"))));
}

TEST_F(ReportBrowserTest, TheProbeSeesAFigureThatDiffers) {
  EXPECT_THAT(Problems(Found("wrong_figure")),
              Contains(HasSubstr("differs: figure rearrangements.N.moved")));
  EXPECT_THAT(Problems(Found("wrong_cell")),
              Contains(HasSubstr("differs: cell")));
}

TEST_F(ReportBrowserTest, TheProbeSeesErrorsAndThePolicyForbidsTheNetwork) {
  const std::vector<std::string> problems = Problems(Found("errors"));
  EXPECT_THAT(problems, Contains(HasSubstr("on purpose")));
  EXPECT_THAT(problems, Contains(HasSubstr("policy: http://localhost:9")));
  EXPECT_THAT(problems, Contains(HasSubstr("console: ")));
}

}  // namespace
}  // namespace eplb
