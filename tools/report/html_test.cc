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

TEST(HtmlTest, JsonCannotEndItsScript) {
  const std::string json = R"(["</script><!-- <script> &amp;"])";
  const std::string safe = JsonForScript(json);
  EXPECT_EQ(safe.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(safe), nlohmann::json::parse(json));
}

}  // namespace
}  // namespace eplb
