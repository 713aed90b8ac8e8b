using System.Text.Json;
using System.Text.Unicode;
using CsvHelper;
using Microsoft.Win32.SafeHandles;

namespace Rollout.Actors.Data;

/// <summary>
/// Copies a CSV file (RFC 4180, UTF-8, a header with the names of the fields), one record after another. Every field is
/// text; an empty one is left out.
/// </summary>
internal static class CsvRecords
{
    private static readonly CsvReaderOptions Strict = new()
    {
        Separator = ',',
        MaxRecordSize = RecordFile.MaxBytes,
        TrackLineNumbers = true,
        MalformedData = CsvMalformedDataHandling.Throw,
        FieldCountMismatch = CsvFieldCountHandling.Throw,
    };

    /// <exception cref="InvalidDataException">A record is too long or breaks the format: <c>FILE:LINE: …</c>.</exception>
    public static List<RecordFile.Place> Copy(string path, SafeFileHandle target, CancellationToken cancellation)
    {
        using var copy = new RecordCopy(path, target);
        try
        {
            using var reader = CsvReader.FromFile(path, Strict);
            reader.ReadHeader();
            string[] names = [.. reader.Headers];
            if (names.GroupBy(name => name).FirstOrDefault(same => same.Count() > 1) is { Key: var twice })
                throw RecordFile.Invalid(path, 1, $"names the field \"{twice}\" twice");
            while (reader.Read())
            {
                cancellation.ThrowIfCancellationRequested();
                if (!Utf8.IsValid(reader.RawRecord))
                    throw RecordFile.Invalid(path, reader.LineNumber, "not valid UTF-8");
                copy.Add(reader.LineNumber, json => Write(json, names, reader));
            }
            return copy.Places;
        }
        catch (CsvFormatException wrong)
        {
            throw RecordFile.Invalid(path, wrong.LineNumber, $"not valid CSV: {wrong.Message.TrimEnd('.')}");
        }
    }

    private static void Write(Utf8JsonWriter json, string[] names, CsvReader record)
    {
        json.WriteStartObject();
        for (var field = 0; field < names.Length; field++)
        {
            if (!record.IsEmpty(field))
                json.WriteString(names[field], record.GetSpan(field));
        }
        json.WriteEndObject();
    }
}
