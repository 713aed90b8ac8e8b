using System.Globalization;
using System.Text;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

public sealed class CodePointTextTests
{
    [Fact]
    public void A_character_beyond_the_basic_plane_is_matched_as_one_of_its_category()
    {
        for (var point = 0x10000; point <= 0x10FFFF; point += 7)
        {
            var text = CodePointText.Of(char.ConvertFromUtf32(point));
            var unit = Assert.Single(text.OneUnitPerPoint);
            Assert.Equal(Rune.GetUnicodeCategory(new Rune(point)), CharUnicodeInfo.GetUnicodeCategory(unit));
        }
    }

    [Fact]
    public void Every_category_that_such_a_character_can_have_has_a_stand_in_of_that_category()
    {
        foreach (var category in Enum.GetValues<UnicodeCategory>().Except([
            UnicodeCategory.Control, UnicodeCategory.Surrogate, UnicodeCategory.SpaceSeparator,
            UnicodeCategory.LineSeparator, UnicodeCategory.ParagraphSeparator]))
            Assert.Equal(category, CharUnicodeInfo.GetUnicodeCategory(CodePointText.StandIn(category)));
    }

    [Fact]
    public void Slices_are_cut_from_the_original_by_code_points()
    {
        var text = CodePointText.Of("a🙂b𝒜c");
        Assert.Equal(5, text.OneUnitPerPoint.Length);
        Assert.Equal("🙂b", text.Slice(1, 3));
        Assert.Equal("𝒜c", text.Slice(3, 5));
    }
}
