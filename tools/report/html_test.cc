#include "tools/report/html.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace eplb {
namespace {

TEST(HtmlTest, TextCannotLeaveItsPlace) {
  EXPECT_EQ(HtmlText("<script>alert(\"a\" & 'b')</script>\n"),
            "&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)"
            "&lt;/script&gt;\\n");
}

TEST(HtmlTest, FiguresNameTheirPlace) {
  EXPECT_EQ(Figure("a.3", 0.12345, 3), "<span data-json=\"a.3\">0.123</span>");
  EXPECT_EQ(Figure("b", 0.0123, 1, 1000),
            "<span data-json=\"b\" data-scale=\"1000\">12.3</span>");
}

TEST(HtmlTest, FiguresComeInTheUnitThatSuitsThem) {
  EXPECT_EQ(CountFigure("n", 12), "<span data-json=\"n\">12</span>");
  EXPECT_EQ(CountFigure("n", 1234567),
            "<span data-json=\"n\">1&#8239;234&#8239;567</span>");
  EXPECT_EQ(BytesFigure("b", 1000), "<span data-json=\"b\">1000</span> B");
  EXPECT_EQ(BytesFigure("b", 1536),
            "<span data-json=\"b\" data-scale=\"0.0009765625\">1.5</span> KiB");
  EXPECT_EQ(MillisecondsFigure("t", 0.00025),
            "<span data-json=\"t\" data-scale=\"1000\">0.250</span> ms");
  EXPECT_EQ(MillisecondsFigure("t", 0.0425),
            "<span data-json=\"t\" data-scale=\"1000\">42.5</span> ms");
  EXPECT_EQ(MillisecondsFigure("t", 2.5),
            "<span data-json=\"t\" data-scale=\"1000\">2500</span> ms");
}

TEST(HtmlTest, JsonCannotEndItsScript) {
  const std::string json = R"(["</script><!-- <script> &amp;"])";
  const std::string safe = JsonForScript(json);
  EXPECT_EQ(safe.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(safe), nlohmann::json::parse(json));
}

}  // namespace
}  // namespace eplb
